/** What the YAML parser's complaints mean for the person who wrote the file. */
import type { ErrorCode } from "yaml";

export interface Words {
  readonly found: string;
  readonly expected: string;
}

const WORDS: Readonly<Record<ErrorCode, Words>> = {
  ALIAS_PROPS: { found: "an alias (*name) with an anchor or a tag of its own", expected: "the alias alone" },
  BAD_ALIAS: { found: "an alias (*name) without a usable name, or of something that is not defined above", expected: "the name of an anchor (&name) that stands above it" },
  BAD_COLLECTION_TYPE: { found: "a tag that does not fit what follows it", expected: "the value without the tag" },
  BAD_DIRECTIVE: { found: "a line that begins with %", expected: "nothing: this file needs no YAML directives" },
  BAD_DQ_ESCAPE: { found: "a backslash that means nothing here", expected: "\\\\ for a backslash in double quotes, or single quotes around the text" },
  BAD_INDENT: { found: "a line that is indented differently from what it belongs to", expected: "the same number of spaces as its neighbours (a list's entries under each other, a group's keys under each other)" },
  BAD_PROP_ORDER: { found: "an anchor or a tag in the wrong place", expected: "the anchor or tag right before its value" },
  BAD_SCALAR_START: { found: "a text that begins with a sign YAML keeps for itself (@, ` or %)", expected: "the text in quotes" },
  BLOCK_AS_IMPLICIT_KEY: { found: "a key within the value of another key on one line", expected: "each key on its own line, or the text in quotes when it holds a colon and a space" },
  BLOCK_IN_FLOW: { found: "an indented list or group inside braces or brackets", expected: "one way of writing at a time: all in braces, or all indented" },
  DUPLICATE_KEY: { found: "a key that stands here twice", expected: "each key once in its group" },
  IMPOSSIBLE: { found: "something the YAML parser cannot make sense of", expected: "the line written more plainly" },
  KEY_OVER_1024_CHARS: { found: "a key of more than 1024 characters", expected: "a key of this file: is a quote missing further up?" },
  MISSING_CHAR: { found: "a sign that is missing: a closing quote, bracket or brace, a comma, a colon, or the space after one", expected: "each quote, bracket and brace closed, commas between entries, and a space after each colon" },
  MULTILINE_IMPLICIT_KEY: { found: "a line that is no KEY: VALUE", expected: "a colon and a space between the key and its value" },
  MULTIPLE_ANCHORS: { found: "two anchors on one value", expected: "one anchor" },
  MULTIPLE_DOCS: { found: "a second document (---)", expected: "one document in one file" },
  MULTIPLE_TAGS: { found: "two tags on one value", expected: "the value without tags" },
  NON_STRING_KEY: { found: "a key that is a list, a group or nothing", expected: "a word as the key" },
  RESOURCE_EXHAUSTION: { found: "lists or groups nested too deeply", expected: "the nesting of the documented keys" },
  TAB_AS_INDENT: { found: "a tab", expected: "spaces: YAML does not take tabs for indentation" },
  TAG_RESOLVE_FAILED: { found: "a tag (!name) that this file cannot use", expected: "the value without the tag, in quotes when it is a text" },
  UNEXPECTED_TOKEN: { found: "a sign where none can stand", expected: "a key with its colon, or a list entry with its dash" },
};

/** Words for the parser's code; `detail` is the parser's own sentence, kept for what the words cannot say. */
export function yamlWords(code: ErrorCode, detail: string): Words {
  const words = WORDS[code];
  const own = detail.split("\n")[0]?.slice(0, 160) ?? "";
  return { found: `${words.found} (the parser says: ${own})`, expected: words.expected };
}
