/**
 * A scanner for the XML that MTConnect agents write, made to be fast and to stop anywhere: `step` reads a stretch and
 * returns, so that a document of 10 MB never holds the event loop (docs/decisions/010-mtconnect-parser.md).
 * Checked: tags match, one root, depth, number of attributes, quotes, ends. Refused: DOCTYPE, and with it every entity
 * that is not predefined. Lenient where machines are: a lone & stays as it is. Namespaces are not resolved: names are
 * compared without their prefix (mtconnect.md §9).
 */

/** Offset in characters of the text. */
export class XmlError extends Error {
  override readonly name = "XmlError";
  readonly offset: number;
  constructor(what: string, offset: number) {
    super(what);
    this.offset = offset;
  }
}

export interface XmlVisitor {
  /** `local`: the name without prefix. Attributes are valid only during the call. */
  open(local: string, attributes: Attributes): void;
  /** Called for empty elements too. */
  close(local: string): void;
  /** True while text is wanted; else it is passed over unread. */
  readonly collects: boolean;
  /** Text or CDATA between tags, entities resolved. Comes in pieces. */
  text(piece: string): void;
}

const MAXIMUM_DEPTH = 64;
const MAXIMUM_ATTRIBUTES = 64;

const LT = 60, GT = 62, SLASH = 47, BANG = 33, QUESTION = 63, QUOTE = 34, COLON = 58;
/** White space of XML, and any other control character, is up to here: none of them occurs in a name. */
const SPACE = 32;

/**
 * A whole tag: a pattern runs as machine code, where reading it letter by letter is interpreted under a service's flags.
 * Each of its pieces ends where the next one begins, so it never tries the same stretch twice; 64: MAXIMUM_ATTRIBUTES.
 */
const SOUND_TAG = /<[^\0- <>/]+(?=[\0- />])(?:[\0- ]*[^\0- =<>/][^\0- =<>]*[\0- ]*=[\0- ]*(?:"[^"]*"|'[^']*')){0,64}[\0- ]*\/?>/y;
const TAG_NAME = /[^\0- <>/]+/y;
/** As far as there is one: name, =, opening quote. */
const ATTRIBUTE = /[^\0- =<>/][^\0- =<>]*[\0- ]*(?:(=)[\0- ]*(["'])?)?/y;

/** The attributes of the tag being read, as places in the text: values are made only when asked for. */
export class Attributes {
  count = 0;
  readonly #text: string;
  readonly #places = new Int32Array(MAXIMUM_ATTRIBUTES * 4);

  constructor(text: string) {
    this.#text = text;
  }

  /** At most MAXIMUM_ATTRIBUTES times, as SOUND_TAG has it. */
  add(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const at = this.count++ * 4;
    this.#places[at] = nameStart;
    this.#places[at + 1] = nameEnd;
    this.#places[at + 2] = valueStart;
    this.#places[at + 3] = valueEnd;
  }

  /** The value of the attribute with this name, without regard to a prefix; null when there is none. */
  get(name: string): string | null {
    const text = this.#text;
    const places = this.#places;
    const end = this.count * 4;
    for (let index = 0; index < end; index += 4) {
      const start = places[index] ?? 0;
      const from = (places[index + 1] ?? 0) - name.length;
      if (from < start || (from > start && text.charCodeAt(from - 1) !== COLON)) continue;
      if (text.startsWith(name, from)) return resolve(text.slice(places[index + 2], places[index + 3]));
    }
    return null;
  }
}

export class XmlScanner {
  readonly #text: string;
  readonly #visitor: XmlVisitor;
  readonly #attributes: Attributes;
  readonly #open: string[] = [];
  #at = 0;
  #rooted = false;

  constructor(text: string, visitor: XmlVisitor) {
    this.#text = text;
    this.#visitor = visitor;
    this.#attributes = new Attributes(text);
    this.#at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  }

  /** Reads about `characters` further; true when the document is complete. Throws XmlError. */
  step(characters: number): boolean {
    const text = this.#text;
    const until = Math.min(text.length, this.#at + characters);
    while (this.#at < until) {
      const tag = text.indexOf("<", this.#at);
      const end = tag === -1 ? text.length : tag;
      if (end > this.#at) this.#characters(this.#at, end);
      if (tag === -1) this.#at = text.length;
      else this.#tag(tag);
    }
    if (this.#at < text.length) return false;
    const open = this.#open.at(-1);
    if (open !== undefined) throw new XmlError(`the document ends inside <${open}>`, text.length);
    if (!this.#rooted) throw new XmlError("there is no element in it", 0);
    return true;
  }

  #characters(from: number, to: number): void {
    if (this.#open.length > 0) {
      if (this.#visitor.collects) this.#visitor.text(resolve(this.#text.slice(from, to)));
      return;
    }
    for (let at = from; at < to; at++) if (this.#text.charCodeAt(at) > SPACE) throw new XmlError("text outside of the root element", at);
  }

  #tag(at: number): void {
    const next = this.#text.charCodeAt(at + 1);
    if (next === SLASH) this.#closing(at);
    else if (next === BANG) this.#declaration(at);
    else if (next === QUESTION) this.#at = this.#after("?>", at, "a processing instruction");
    else this.#opening(at);
  }

  #after(mark: string, at: number, what: string): number {
    const end = this.#text.indexOf(mark, at + 2);
    if (end === -1) throw new XmlError(`${what} without its end`, at);
    return end + mark.length;
  }

  #declaration(at: number): void {
    const text = this.#text;
    if (text.startsWith("<!--", at)) this.#at = this.#after("-->", at + 2, "a comment");
    else if (text.startsWith("<![CDATA[", at) && this.#open.length > 0) {
      const end = this.#after("]]>", at + 7, "a CDATA section");
      if (this.#visitor.collects) this.#visitor.text(text.slice(at + 9, end - 3));
      this.#at = end;
    } else if (text.slice(at, at + 9).toUpperCase() === "<!DOCTYPE") throw new XmlError("a DOCTYPE, which is refused: no MTConnect document needs one", at);
    else throw new XmlError("an unknown declaration", at);
  }

  #closing(at: number): void {
    const name = this.#open.at(-1);
    const text = this.#text;
    let end = at + 2 + (name?.length ?? 0);
    const matches = name !== undefined && text.startsWith(name, at + 2);
    while (matches && text.charCodeAt(end) <= SPACE) end++;
    if (!matches || text.charCodeAt(end) !== GT) throw new XmlError(`</${nameAt(text, at + 2)}> where ${name === undefined ? "no element is open" : `</${name}> is due`}`, at);
    this.#open.pop();
    this.#at = end + 1;
    this.#visitor.close(local(name));
  }

  #opening(at: number): void {
    const text = this.#text;
    SOUND_TAG.lastIndex = at;
    if (!SOUND_TAG.test(text)) throw flawOf(text, at);
    const end = SOUND_TAG.lastIndex;
    TAG_NAME.lastIndex = at + 1;
    TAG_NAME.test(text);
    const name = text.slice(at + 1, TAG_NAME.lastIndex);
    if (this.#open.length === 0 && this.#rooted) throw new XmlError("a second root element", at);
    if (this.#open.length >= MAXIMUM_DEPTH) throw new XmlError(`elements nested more than ${MAXIMUM_DEPTH} deep`, at);
    this.#rooted = true;
    this.#placeAttributes(at + 1 + name.length);
    this.#at = end;
    this.#visitor.open(local(name), this.#attributes);
    if (text.charCodeAt(end - 2) === SLASH) this.#visitor.close(local(name));
    else this.#open.push(name);
  }

  /** Of a tag known to be sound, from behind its name. */
  #placeAttributes(from: number): void {
    const text = this.#text;
    const attributes = this.#attributes;
    attributes.count = 0;
    for (let at = from; ; ) {
      while (text.charCodeAt(at) <= SPACE) at++;
      const code = text.charCodeAt(at);
      if (code === GT || code === SLASH) return;
      const equals = text.indexOf("=", at);
      let nameEnd = equals;
      while (text.charCodeAt(nameEnd - 1) <= SPACE) nameEnd--;
      let quote = equals + 1;
      while (text.charCodeAt(quote) <= SPACE) quote++;
      const end = text.indexOf(text.charCodeAt(quote) === QUOTE ? '"' : "'", quote + 1);
      attributes.add(at, nameEnd, quote + 1, end);
      at = end + 1;
    }
  }
}

/** Why SOUND_TAG does not match at `tag`. */
function flawOf(text: string, tag: number): XmlError {
  TAG_NAME.lastIndex = tag + 1;
  if (!TAG_NAME.test(text)) return new XmlError(tag + 1 === text.length || text.charCodeAt(tag + 1) === LT ? "a tag without its end" : "a tag without a name", tag);
  for (let at = TAG_NAME.lastIndex, count = 0; ; count++) {
    while (text.charCodeAt(at) <= SPACE) at++;
    if (text.charCodeAt(at) === SLASH) return new XmlError("a / inside a tag", at);
    ATTRIBUTE.lastIndex = at;
    const [whole = "", equals, quote] = ATTRIBUTE.exec(text) ?? [];
    if (whole === "") return new XmlError("a tag without its end", tag);
    if (equals === undefined) return new XmlError("an attribute without a value", at);
    if (quote === undefined) return new XmlError("an attribute without quotes", at);
    if (count === MAXIMUM_ATTRIBUTES) return new XmlError(`more than ${MAXIMUM_ATTRIBUTES} attributes in one tag`, at);
    const end = text.indexOf(quote, at + whole.length);
    if (end === -1) return new XmlError("an attribute without its closing quote", at);
    at = end + 1;
  }
}

function local(name: string): string {
  const colon = name.indexOf(":");
  return colon === -1 ? name : name.slice(colon + 1);
}

const nameAt = (text: string, at: number): string => /^[^\s<>/]{0,40}/u.exec(text.slice(at, at + 40))?.[0] ?? "";

const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));/gu;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Resolves the predefined and numeric entities; what is no character becomes U+FFFD. */
function resolve(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(ENTITY, (_, decimal?: string, hexadecimal?: string, named?: string) => {
    if (named !== undefined) return NAMED[named] ?? "";
    const code = decimal === undefined ? Number.parseInt(hexadecimal ?? "", 16) : Number(decimal);
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? "\ufffd" : String.fromCodePoint(code);
  });
}
