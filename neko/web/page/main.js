// The page: one character at a time, by voice or by typing.

import { fetchJson } from "./address.js";
import { Connection } from "./connection.js";
import { Microphone } from "./microphone.js";
import { Past } from "./past.js";
import { Speaker } from "./speaker.js";
import { Transcript } from "./transcript.js";
import { closeWords, microphoneWords, statusWords } from "./words.js";

const element = (id) => document.getElementById(id);
const [choice, state, talk, write, text, send] = ["character", "state", "talk", "write", "text", "send"].map(element);
const [face, mood, notice] = ["face", "mood", "notice"].map(element);

const transcript = new Transcript();
const past = new Past(transcript, tell);
const microphone = new Microphone();
const speaker = new Speaker(reportPlayed, (level) => face.style.setProperty("--open", Math.min(1, level * 3)));

let connection = null;
let session = null; // "audio", "text", or null
let starting = null; // the mode that has been asked for
let unsent = []; // typed before the session started
let ticket = null; // resume_token of the running session
let resuming = false; // resumed, and nothing heard since: the next status may be a no

function show(words, live = false) {
  state.textContent = words;
  state.toggleAttribute("data-live", live);
}

function tell(words) {
  notice.textContent = words ?? "";
  notice.hidden = !words;
}

function showSession() {
  const words = { audio: "Listening", text: "Chatting" };
  show(starting ? "Waking up…" : (words[session] ?? "Ready"), !starting);
  talk.setAttribute("aria-pressed", microphone.on);
  talk.textContent = microphone.on ? "Stop" : "Talk";
}

function enable(enabled) {
  for (const control of [talk, text, send]) control.disabled = !enabled;
}

function start(mode) {
  starting = mode;
  connection.send("start_session", { input_type: mode, audio_format: "binary" });
  showSession();
}

function tellMicrophone() {
  if (microphone.on) connection.send("mic_format", { sample_rate: microphone.rate });
}

function startVoice() {
  tellMicrophone();
  start("audio");
}

function begin() {
  session = ticket = null;
  if (microphone.on) startVoice();
  else showSession();
}

function resume() {
  resuming = true;
  connection.resume(ticket);
  tellMicrophone();
  showSession();
}

function sessionIsOver() {
  session = starting = ticket = null;
  microphone.stop();
  showSession();
}

function reportPlayed(speechId, ms, done) {
  connection.send("playback", { speech_id: speechId, played_ms: Math.round(ms) });
  if (session === "audio") show(done ? "Listening" : "Speaking", true);
}

function typed(words) {
  transcript.said("user", words);
  if (session) connection.send("stream_data", { input_type: "text", data: words });
  else unsent.push(words);
}

const messages = {
  session_preparing: () => showSession(),
  session_started({ input_mode, resume_token }) {
    // Who has just asked to talk has nothing to say yet; whoever types has.
    if (starting === "audio" && unsent.length === 0) connection.send("greeting_check");
    [session, starting, ticket] = [input_mode, null, resume_token];
    for (const words of unsent.splice(0)) connection.send("stream_data", { input_type: "text", data: words });
    showSession();
  },
  session_failed: sessionIsOver,
  session_ended_by_server: sessionIsOver,
  auto_close_mic: sessionIsOver,
  user_activity: ({ interrupted_speech_id }) => speaker.interrupt(interrupted_speech_id),
  user_transcript: (message) => transcript.said("user", message.text),
  gemini_response: (message) => transcript.replyGrows(message.turn_id, message.text),
  system: ({ turn_id, interrupted }) => transcript.replyEnds(turn_id, interrupted),
  emotion: ({ emotion }) => ([face.dataset.mood, mood.textContent] = [emotion, emotion]),
  status({ code, message }) {
    if (resuming && code === "INVALID_VALUE") begin();
    else tell(statusWords(JSON.parse(message)));
  },
  catgirl_switched: ({ new_catgirl }) => meet(new_catgirl),
  reload_page: () => location.reload(),
};

const heard = {
  open() {
    tell(null);
    enable(true);
    if (ticket) resume();
    else begin();
  },
  message(message) {
    messages[message.type]?.(message);
    resuming = false;
  },
  speech: ({ speech_id }, pcm) => speaker.play(speech_id, pcm),
  closed(code, retryMs) {
    starting = null;
    enable(false);
    if (closeWords(code)) tell(closeWords(code));
    if (retryMs === null) sessionIsOver();
    show(retryMs === null ? "Not connected" : "Reconnecting…");
  },
};

async function meet(name) {
  connection?.close();
  sessionIsOver();
  unsent = [];
  speaker.interrupt(null);
  choice.value = name;
  transcript.clear();
  show("Connecting…");
  enable(false);
  connection = new Connection(name, heard);
  await past.of(name);
}

talk.addEventListener("click", async () => {
  tell(null);
  if (microphone.on) {
    connection.send("pause_session");
    speaker.interrupt(null);
    return sessionIsOver();
  }
  try {
    await Promise.all([speaker.wake(), microphone.start((pcm) => connection.sendAudio(pcm))]);
    startVoice();
  } catch (error) {
    microphone.stop();
    tell(microphoneWords(error));
  }
});

write.addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  tell(null);
  await speaker.wake();
  typed(words);
  if (!session && !starting) start("text");
});

choice.addEventListener("change", () => meet(choice.value));

addEventListener("unhandledrejection", ({ reason }) => tell(`Something did not work: ${reason.message}`));

const { characters } = await fetchJson("/api/characters");
choice.replaceChildren(...characters.map(({ name }) => new Option(name)));
await meet(characters[0].name);
