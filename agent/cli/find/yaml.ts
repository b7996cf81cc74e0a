/** Values as YAML of which no character can do harm: what a device named is quoted and escaped where it is more than plain text. */
import { Document, visit } from "yaml";
import { plain } from "./plain.ts";

/** They would turn the reading direction, end a line, or steer a terminal. JSON's escapes are YAML's. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu;

export function yamlOf(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === "string" && plain(node.value) !== node.value) node.type = "QUOTE_DOUBLE";
    },
  });
  return document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER }).replaceAll(UNSAFE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
