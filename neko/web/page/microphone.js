// The microphone as PCM16 at the rate of the device; the server resamples.

export class Microphone {
  #context = null;
  #stream = null;
  #frames = null; // set last: from then on there is sound

  get on() {
    return this.#frames !== null;
  }

  get rate() {
    return this.#context.sampleRate;
  }

  // Calls `onPcm(ArrayBuffer)` every 20 ms until `stop()`. Rejects as getUserMedia does.
  async start(onPcm) {
    this.#stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    // A context of its own: Firefox joins a microphone only to a context of the device's rate.
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule("/page/microphone-worklet.js");
    this.#frames = new AudioWorkletNode(this.#context, "microphone", { numberOfOutputs: 0 });
    this.#frames.port.onmessage = ({ data }) => this.on && onPcm(data);
    this.#context.createMediaStreamSource(this.#stream).connect(this.#frames);
  }

  stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close();
    this.#stream = this.#context = this.#frames = null;
  }
}
