// The character's voice: plays 48 kHz PCM without gaps, stops at once, knows how much was heard.

const RATE = 48_000;

// Calls `onPlayed(speechId, ms, done)` a few times a second and when a speech has been played to its end, and
// `onLevel(0…1)` for the mouth.
export class Speaker {
  #context = null;
  #player = null;
  #silenced = null; // the speech that was interrupted: what still comes of it is not played
  #playing = null;

  constructor(onPlayed, onLevel) {
    this.onPlayed = onPlayed;
    this.onLevel = onLevel;
  }

  // Call it from a click: browsers let no page sound without one.
  async wake() {
    this.#context ??= this.#open();
    const context = await this.#context;
    await context.resume();
  }

  play(speechId, pcm) {
    if (speechId === this.#silenced || !this.#player) return;
    this.#playing = speechId;
    this.#player.port.postMessage({ speechId, pcm }, [pcm.buffer]);
  }

  // The speech is over, whichever the server names and whichever plays here.
  interrupt(speechId) {
    this.#silenced = speechId ?? this.#playing;
    this.#player?.port.postMessage({ stop: true });
  }

  async #open() {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    await context.audioWorklet.addModule("/page/speaker-worklet.js");
    this.#player = new AudioWorkletNode(context, "speaker", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#player.connect(context.destination);
    this.#player.port.onmessage = ({ data }) => this.#report(context, data);
    return context;
  }

  #report(context, { speechId, samples, level, done }) {
    const latencyMs = done ? 0 : (context.outputLatency || 0) * 1000; // what the device has not sounded yet
    this.onPlayed(speechId, Math.max(0, (samples / RATE) * 1000 - latencyMs), done);
    this.onLevel(done ? 0 : level);
  }
}
