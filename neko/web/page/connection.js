// One character's WebSocket: frames in and out, and coming back when it breaks.

import { socketUrl } from "./address.js";

const PING_EVERY_MS = 30_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
const SETTLED_MS = 5_000; // a busy server accepts, says so and closes: only a socket that lasted is a success
const FINAL = new Set([4001, 4004, 4401]); // taken over, unknown character, unauthorized: trying again is no use

// Calls `heard.open()`, `heard.message(message)`, `heard.speech(header, pcm)` and `heard.closed(code, retryMs)`,
// where `retryMs` is null when it does not try again.
export class Connection {
  #socket = null;
  #header = null; // of the binary frame that follows
  #lastSeq = 0;
  #attempt = 0;
  #openedAt = Infinity;
  #timer = 0;
  #ping = 0;

  constructor(character, heard) {
    this.character = character;
    this.heard = heard;
    this.#connect();
  }

  send(action, fields = {}) {
    if (this.open) this.#socket.send(JSON.stringify({ action, ...fields }));
  }

  sendAudio(pcm) {
    if (this.open) this.#socket.send(pcm);
  }

  // As the first frame after a reconnect: what was missed comes again, and the session goes on.
  resume(token) {
    this.send("resume", { token, last_seq: this.#lastSeq });
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  close() {
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    this.#socket.onclose = this.#socket.onmessage = this.#socket.onopen = null;
    this.#socket.close(1000);
  }

  #connect() {
    const socket = new WebSocket(socketUrl(this.character));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code }) => this.#closed(code);
    this.#socket = socket;
  }

  #opened() {
    this.#openedAt = performance.now();
    this.#header = null;
    this.#ping = setInterval(() => this.send("ping"), PING_EVERY_MS);
    this.heard.open();
  }

  #received(data) {
    if (data instanceof ArrayBuffer) {
      const header = this.#header;
      this.#header = null;
      if (!header) return;
      this.#lastSeq = header.seq; // not before: a header whose sound is lost is sent again
      return this.heard.speech(header, new Int16Array(data));
    }
    const message = JSON.parse(data);
    if (message.type === "audio_chunk" && !message.audio) return (this.#header = message);
    this.#lastSeq = message.seq ?? this.#lastSeq;
    if (message.type !== "audio_chunk") this.heard.message(message);
    else this.heard.speech(message, decoded(message.audio));
  }

  #closed(code) {
    clearInterval(this.#ping);
    if (performance.now() - this.#openedAt > SETTLED_MS) this.#attempt = 0;
    const retryMs = FINAL.has(code) ? null : RETRY_MS[Math.min(this.#attempt++, RETRY_MS.length - 1)];
    if (retryMs !== null) this.#timer = setTimeout(() => this.#connect(), retryMs);
    this.heard.closed(code, retryMs);
  }
}

function decoded(base64) {
  return new Int16Array(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)).buffer);
}
