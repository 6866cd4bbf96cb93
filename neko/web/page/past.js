// What was said before: read back, searched, taken home, forgotten.

import { fetchJson, withToken } from "./address.js";
import { linesOf } from "./transcript.js";

const PAGE = 50; // utterances

const element = (id) => document.getElementById(id);
const [earlier, find, query, found, take, forget] = ["earlier", "find", "query", "found", "take", "forget"].map(element);

export class Past {
  #transcript;
  #tell;
  #name = null;
  #oldest = null; // Unix time of the first line that is shown

  // `tell` shows a sentence to the person.
  constructor(transcript, tell) {
    this.#transcript = transcript;
    this.#tell = tell;
    earlier.addEventListener("click", () => this.#readBack());
    find.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search(query.value.trim());
    });
    query.addEventListener("input", () => query.value || this.#show([]));
    forget.addEventListener("click", () => this.#forget());
  }

  async of(name) {
    [this.#name, this.#oldest] = [name, null];
    query.value = "";
    this.#show([]);
    take.href = withToken(`${this.#path}/export`);
    await this.#readBack();
  }

  get #path() {
    return `/api/characters/${encodeURIComponent(this.#name)}/history`;
  }

  async #readBack() {
    const name = this.#name;
    const before = this.#oldest === null ? "" : `&before=${this.#oldest}`;
    const { history } = await fetchJson(`${this.#path}?limit=${PAGE}${before}`);
    if (name !== this.#name) return; // another character was chosen meanwhile
    this.#transcript.remember(history, before === "");
    this.#oldest = history[0]?.at ?? this.#oldest;
    earlier.hidden = history.length < PAGE;
  }

  async #search(words) {
    if (!words) return this.#show([]);
    const name = this.#name;
    const { history } = await fetchJson(`${this.#path}?q=${encodeURIComponent(words)}&limit=${PAGE}`);
    if (name !== this.#name) return;
    this.#show(history);
    this.#tell(history.length ? null : "Nothing that was said has these words.");
  }

  #show(history) {
    found.replaceChildren(...linesOf(history));
    found.hidden = !history.length;
  }

  async #forget() {
    const name = this.#name;
    if (!confirm(`Forget everything that you and ${name} have said? It is deleted, and cannot be brought back.`)) return;
    await fetchJson(this.#path, { method: "DELETE" });
    if (name !== this.#name) return;
    this.#transcript.clear();
    this.#show([]);
    [this.#oldest, earlier.hidden] = [null, true];
  }
}
