// Where the server is, and the token that the page's own address carries.

const token = new URLSearchParams(location.search).get("token");

export function withToken(path) {
  const url = new URL(path, location.href);
  if (token) url.searchParams.set("token", token);
  return url;
}

export function socketUrl(character) {
  const url = withToken(`/ws/${encodeURIComponent(character)}`);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

export async function fetchJson(path, options) {
  const response = await fetch(withToken(path), options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.details);
  return answer;
}
