// What status and close codes mean to a person.

const STATUS = {
  API_KEY_REJECTED: "The provider does not accept the API key.",
  API_ARREARS: "The provider's account has no credit left.",
  API_RATE_LIMIT: "The provider asks to slow down. Try again in a moment.",
  API_POLICY_VIOLATION: "The provider refuses to talk about this.",
  API_UNREACHABLE: "The provider cannot be reached.",
  API_UNKNOWN_ERROR: "The provider reports a problem.",
  CHARACTER_SWITCHING_TERMINAL: "This conversation goes on in another window.",
  CHARACTER_DISCONNECTED: "The connection to the character broke.",
  INVALID_AUDIO: "The server could not use the microphone's sound.",
  MESSAGE_TOO_BIG: "That was too long for one message.",
  SERVER_BUSY: "All places are taken. Try again soon.",
  SERVER_DRAINING: "The server is closing.",
  SERVER_ERROR: "The server made a mistake.",
  SESSION_START_FAILED: "The conversation could not be started.",
  SWAP_FAILED: "The change did not work; the conversation goes on as before.",
  TTS_CONNECTION_FAILED: "The voice cannot be reached.",
  UNAUTHORIZED: "This server asks for a token: open the page as /?token=…",
};

const QUIET = new Set(["CHARACTER_LEFT"]); // the answer to our own goodbye

const MICROPHONE = {
  NotAllowedError: "The browser does not let this page use the microphone. Allow it in the address bar.",
  NotFoundError: "No microphone was found.",
  NotReadableError: "Another program holds the microphone.",
};

// One or two sentences, or null when there is nothing to tell.
export function statusWords({ code, details }) {
  if (QUIET.has(code)) return null;
  return [STATUS[code], details].filter(Boolean).join(" ") || code;
}

export function closeWords(code) {
  if (code === 4001) return "This conversation goes on in another window. Reload to take it back.";
  if (code === 4401) return STATUS.UNAUTHORIZED;
  return null;
}

export function microphoneWords(error) {
  if (!window.isSecureContext) return "Browsers give the microphone only to https:// pages and to localhost.";
  return MICROPHONE[error.name] ?? `The microphone does not work: ${error.message}`;
}
