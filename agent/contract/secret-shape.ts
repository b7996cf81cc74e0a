/**
 * How the YAML names a secret: by the place where it lies, never by its text (design.md §5.2).
 * A secret written into the file is a problem whose words never repeat it.
 */
import { object, text } from "./shapes.ts";
import { fail, isRecord, type Shape } from "./shape.ts";
import type { SecretRef } from "./ports.ts";

const PLACES = {
  file: object({ file: text({ description: "absolute path of a file that holds the secret alone", pattern: /^\//, expected: "an absolute path, such as /etc/cellgate/secrets/mqtt", maxLength: 4096 }) }),
  env: object({ env: text({ description: "name of an environment variable", pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, expected: "the name of an environment variable, such as MQTT_PASSWORD", maxLength: 256 }) }),
  credential: object({ credential: text({ description: "name of a systemd credential (LoadCredential=)", pattern: /^[A-Za-z0-9_.-]+$/, expected: "the name of a systemd credential, such as mqtt", maxLength: 256 }) }),
} as const;

const EXPECTED = "where it lies: {file: /etc/cellgate/secrets/NAME}, {env: NAME} or {credential: NAME}";
const isPlace = (word: string | undefined): word is keyof typeof PLACES => word !== undefined && Object.hasOwn(PLACES, word);

/** `{file: PATH}`, `{env: NAME}` or `{credential: NAME}`, exactly one of them. */
export function secretReference(description = "where the secret lies"): Shape<SecretRef> {
  return {
    schema: { description, oneOf: Object.values(PLACES).map((place) => place.schema) },
    read(value, path, problems) {
      if (!isRecord(value)) {
        const found = value === null || value === undefined ? "nothing" : Array.isArray(value) ? "a list" : "a secret written into the file";
        return fail(problems, { path, on: "value", found, expected: EXPECTED, secret: true });
      }
      const words = Object.keys(value);
      const place = words[0];
      if (words.length !== 1 || !isPlace(place)) {
        const found = words.length === 0 ? "an empty group" : `the keys ${words.slice(0, 5).map((word) => JSON.stringify(word.slice(0, 40))).join(", ")}`;
        return fail(problems, { path, on: "value", found, expected: EXPECTED, secret: true });
      }
      return PLACES[place].read(value, path, problems);
    },
  };
}
