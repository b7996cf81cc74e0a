/** What an agent, or the web server before it, answers instead of data → a LinkError for a technician (mtconnect.md §5). */
import { LinkError } from "../../agent/contract/errors.ts";
import type { AgentError } from "./document.ts";
import type { Answer } from "./http.ts";

const TOO_MANY_WAIT_MS = 30_000;

export function explainAgentErrors(errors: readonly AgentError[], url: string): LinkError {
  const said = errors.slice(0, 3).map(({ code, text }) => `${code}${text && ` (${text.slice(0, 200)})`}`).join("; ") || "an error without a reason";
  const codes = errors.map(({ code }) => code);
  if (codes.includes("UNAUTHORIZED")) return new LinkError("refused", "backoff", `the agent refuses us: ${said}; set username and password (${url})`);
  if (codes.includes("TOO_MANY")) return new LinkError("refused", { afterMs: TOO_MANY_WAIT_MS }, `the agent has too many clients: ${said} (${url})`);
  if (codes.includes("NO_DEVICE")) return new LinkError("unsupported", "backoff", `the agent does not know the device: ${said}; was it renamed? (${url})`);
  return new LinkError("lost", "backoff", `the agent answered ${said} (${url})`);
}

/** Null when the status says nothing against reading the body. */
export function explainStatus({ status, url, location }: Answer): LinkError | null {
  if (status >= 300 && status < 400) return new LinkError("refused", "backoff", `${url} refers to another address${location === null ? "" : ` (${location})`}, which is not followed: put that address into url if it is the agent's`);
  if (status === 401 || status === 407) return new LinkError("refused", "backoff", `${url} answered ${status}: it wants a user name and password, or refuses the ones given; set username and password`);
  if (status === 403) return new LinkError("refused", "backoff", `${url} answered 403: we are not allowed to read there`);
  if (status === 429) return new LinkError("refused", { afterMs: TOO_MANY_WAIT_MS }, `${url} answered 429: it is asked too often`);
  return null;
}

/** A body that is no XML at all. */
export function explainOther(body: Uint8Array, { status, url, contentType }: Answer): LinkError | null {
  const start = Buffer.from(body.subarray(0, 200)).toString("latin1").replace(/^\u00ef\u00bb\u00bf/u, "").trimStart();
  const wide = body[0] === 0xff && body[1] === 0xfe;
  if (wide || start.startsWith("<") && !/^<(?:!doctype|html)\b/iu.test(start)) return null;
  const hex = Buffer.from(body.subarray(0, 32)).toString("hex");
  if (/^[{[]/u.test(start)) return new LinkError("unsupported", "backoff", `${url} answers JSON although XML was asked for: switch the agent to XML (at byte 0: ${hex})`);
  return new LinkError("protocol", "backoff", `${url} answered ${status} with ${contentType || "no content type"}, which is no MTConnect document (at byte 0: ${hex || "nothing"}): is this the agent's address?`);
}
