// In the audio thread: 128 float samples at a time into frames of 20 ms, as int16.

const FRAME = Math.round(sampleRate * 0.02);

class MicrophoneProcessor extends AudioWorkletProcessor {
  #frame = new Int16Array(FRAME);
  #filled = 0;

  process([[samples]]) {
    for (const sample of samples ?? []) {
      this.#frame[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 0x7fff;
      if (this.#filled === FRAME) this.#send();
    }
    return true;
  }

  #send() {
    this.port.postMessage(this.#frame.buffer, [this.#frame.buffer]);
    this.#frame = new Int16Array(FRAME);
    this.#filled = 0;
  }
}

registerProcessor("microphone", MicrophoneProcessor);
