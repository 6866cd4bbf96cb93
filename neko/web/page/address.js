// Where the server is, and the token that the page's own address carries.

const token = new URLSearchParams(location.search).get("token");

function withToken(path) {
  const url = new URL(path, location.href);
  if (token) url.searchParams.set("token", token);
  return url;
}

export function socketUrl(character) {
  const url = withToken(`/ws/${encodeURIComponent(character)}`);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

export async function fetchJson(path) {
  const response = await fetch(withToken(path));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}
