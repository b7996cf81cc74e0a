/**
 * Just enough XML to read device models and recorded documents, and to write them again: elements, attributes, text,
 * entities, CDATA; comments and instructions are skipped; a DOCTYPE is refused. Whole files only, trusted input (the
 * technician's own recordings), so it is short rather than fast. Written for the simulator alone: the driver has its own.
 */

export interface XmlElement {
  /** As written, prefix included. */
  readonly name: string;
  /** Without prefix. */
  readonly local: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Character data directly inside, entities decoded, untrimmed. */
  readonly text: string;
}

interface Open {
  name: string;
  attributes: Map<string, string>;
  children: XmlElement[];
  text: string;
}

const TOKEN = /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<(!DOCTYPE)|<\/([^\s>]+)\s*>|<([^\s/>!?]+)((?:\s+[^\s=>/]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>|([^<]+)/gu;
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/gu;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const decode = (text: string): string => (text.includes("&")
  ? text.replaceAll(/&(#x[0-9a-fA-F]+|#\d+|\w+);/gu, (whole, name: string) => {
    if (name.startsWith("#x")) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith("#")) return String.fromCodePoint(Number.parseInt(name.slice(1), 10));
    return NAMED[name] ?? whole;
  })
  : text);

export const escapeText = (text: string): string => (/[&<>]/u.test(text) ? text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;") : text);
export const escapeAttribute = (text: string): string => escapeText(text).replaceAll('"', "&quot;");
export const localName = (name: string): string => name.slice(name.indexOf(":") + 1);

const close = (open: Open): XmlElement => ({ name: open.name, local: localName(open.name), attributes: open.attributes, children: open.children, text: open.text });

/** The root element. Throws with the offset when tags do not match or nothing is there; `where` names the file. */
export function readXml(source: string, where: string): XmlElement {
  const root: Open = { name: "", attributes: new Map(), children: [], text: "" };
  const stack: Open[] = [root];
  let end = source.charCodeAt(0) === 0xfeff ? 1 : 0;
  TOKEN.lastIndex = end;
  for (let match = TOKEN.exec(source); match !== null; match = TOKEN.exec(source)) {
    if (match.index !== end) break;
    end = TOKEN.lastIndex;
    const [, cdata, doctype, closing, opening, attributes = "", empty, text] = match;
    const top = stack.at(-1) ?? root;
    if (doctype !== undefined) throw new Error(`${where}: has a DOCTYPE; MTConnect documents never need one`);
    if (text !== undefined) top.text += decode(text);
    else if (cdata !== undefined) top.text += cdata;
    else if (opening !== undefined) {
      const element: Open = { name: opening, attributes: new Map(), children: [], text: "" };
      for (const [, name = "", double, single] of attributes.matchAll(ATTRIBUTE)) element.attributes.set(name, decode(double ?? single ?? ""));
      if (empty === "/") top.children.push(close(element));
      else stack.push(element);
    } else if (closing !== undefined) {
      if (stack.length < 2 || top.name !== closing) throw new Error(`${where}: </${closing}> at offset ${match.index} closes nothing that is open`);
      stack.pop();
      stack.at(-1)?.children.push(close(top));
    }
  }
  const first = root.children[0];
  if (end < source.length) throw new Error(`${where}: not XML at offset ${end}: ${JSON.stringify(source.slice(end, end + 32))}`);
  if (stack.length > 1) throw new Error(`${where}: <${stack.at(-1)?.name ?? ""}> is never closed`);
  if (first === undefined) throw new Error(`${where}: holds no XML element`);
  return first;
}

export function writeXml(element: XmlElement): string {
  let attributes = "";
  for (const [name, value] of element.attributes) attributes += ` ${name}="${escapeAttribute(value)}"`;
  const text = element.text.trim() === "" && element.children.length > 0 ? "" : escapeText(element.text);
  const inner = text + element.children.map(writeXml).join("");
  return inner === "" ? `<${element.name}${attributes}/>` : `<${element.name}${attributes}>${inner}</${element.name}>`;
}

export function* descendants(element: XmlElement): Generator<XmlElement> {
  for (const child of element.children) {
    yield child;
    yield* descendants(child);
  }
}
