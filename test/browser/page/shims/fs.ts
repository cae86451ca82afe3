/** What the tests use of node:fs, for browsers: the fixtures, which the server of the tests has. */

/** @param url - a folder of the server, which answers with a list of names. */
export function readdirSync(url: URL): string[] {
  return JSON.parse(get(url)) as string[];
}

export function readFileSync(url: URL): string {
  return get(url);
}

function get(url: URL): string {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.send();
  if (request.status !== 200) throw new Error(`${url}: status ${request.status}`);
  return request.responseText;
}
