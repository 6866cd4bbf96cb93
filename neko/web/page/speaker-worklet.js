// In the audio thread: a queue of PCM that is played seamlessly and counted.

const REPORT_EVERY = sampleRate / 8;
const FADE = sampleRate * 0.008; // samples: a step to silence is heard as a click, a slower end as the word going on
const CUSHION = sampleRate * 0.05; // samples of silence before a speech, so that late chunks leave no gap

class SpeakerProcessor extends AudioWorkletProcessor {
  #queue = [];
  #offset = 0; // into the first chunk of the queue
  #speechId = null;
  #samples = 0; // played of this speech
  #unreported = 0;
  #wait = 0;
  #peak = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => (data.stop ? this.#stop() : this.#enqueue(data));
  }

  #enqueue(chunk) {
    if (this.#queue.length === 0 && chunk.speechId !== this.#speechId) this.#wait = CUSHION;
    this.#queue.push(chunk);
  }

  #stop() {
    const pcm = faded(this.#rest());
    this.#queue = pcm.length > 0 ? [{ speechId: this.#speechId, pcm }] : [];
    this.#offset = 0;
  }

  // What would be played next of the speech that plays, as much as a fade takes.
  #rest() {
    const rest = [];
    let from = this.#offset;
    for (const { speechId, pcm } of this.#queue) {
      if (speechId !== this.#speechId || rest.length >= FADE) break;
      rest.push(...pcm.subarray(from, from + FADE - rest.length));
      from = 0;
    }
    return Int16Array.from(rest);
  }

  process(_, [[out]]) {
    for (let i = 0; i < out.length; i++) out[i] = this.#next();
    return true;
  }

  #next() {
    if (this.#wait > 0) return this.#wait--, 0;
    const chunk = this.#queue[0];
    if (!chunk) return 0;
    if (chunk.speechId !== this.#speechId) this.#begin(chunk.speechId);
    const sample = chunk.pcm[this.#offset++] / 0x8000;
    this.#peak = Math.max(this.#peak, Math.abs(sample));
    this.#samples++;
    this.#unreported++;
    if (this.#offset >= chunk.pcm.length) this.#nextChunk();
    else if (this.#unreported >= REPORT_EVERY) this.#report(false);
    return sample;
  }

  #begin(speechId) {
    this.#speechId = speechId;
    this.#samples = 0;
  }

  #nextChunk() {
    this.#queue.shift();
    this.#offset = 0;
    const next = this.#queue[0];
    if (next?.speechId !== this.#speechId) this.#report(true);
  }

  #report(done) {
    this.port.postMessage({ speechId: this.#speechId, samples: this.#samples, level: this.#peak, done });
    this.#unreported = this.#peak = 0;
  }
}

// Equal power: a quarter of a cosine, down to zero.
function faded(samples) {
  return samples.map((sample, i) => sample * Math.cos((Math.PI / 2) * ((i + 1) / samples.length)));
}

registerProcessor("speaker", SpeakerProcessor);
