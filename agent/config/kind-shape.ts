/** A source or a destination in the YAML: keys that all kinds share, and the keys of the one that `type` names. */
import { fail, isRecord, name, nearest, type Fields, type Invalid, type JsonSchema, type ObjectOf, type Shape, INVALID } from "../contract/shape.ts";
import { object, oneOf } from "../contract/shapes.ts";

interface Parts<F extends Fields> {
  readonly noun: "source" | "destination";
  readonly shared: F;
  readonly kinds: readonly { readonly kind: string; readonly shape: Shape<unknown> }[];
  /** The kind meant when `type` is absent. */
  readonly fallback?: string;
}

export interface OfKind<Shared> {
  readonly kind: string;
  readonly shared: Shared;
  /** What the kind's own shape decoded. */
  readonly own: unknown;
}

export function kindShape<const F extends Fields>({ noun, shared, kinds, fallback }: Parts<F>): Shape<OfKind<ObjectOf<F>>> {
  const words = kinds.map(({ kind }) => kind);
  const word = oneOf(words);
  const sharedShape = object(shared);
  return {
    schema: composed(kinds.map(({ kind, shape }) => variant({ kind, own: shape.schema, shared: sharedShape.schema, optional: kind === fallback })), `a ${noun}`),
    read(value, path, problems): OfKind<ObjectOf<F>> | Invalid {
      if (!isRecord(value)) return fail(problems, { path, on: "value", found: name(value), expected: `a ${noun}: a group of keys with type: ${words.join(" or ")}` });
      const { type = fallback, ...keys } = value;
      if (type === undefined) return fail(problems, { path, on: "key", found: 'the key "type" is missing', expected: `type: ${words.join(" or ")}` });
      const kind = word.read(type, [...path, "type"], problems);
      // A misspelt kind hides nothing about the other keys: they are read as the kind that was probably meant.
      const meant = kind === INVALID && typeof type === "string" ? nearest(type, words) : kind;
      const chosen = kinds.find((one) => one.kind === meant);
      if (!chosen) return INVALID;

      const known = ["type", ...Object.keys(shared), ...Object.keys(propertiesOf(chosen.shape.schema))];
      const sharedKeys: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      const ownKeys: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      for (const [key, entry] of Object.entries(keys)) {
        if (!known.includes(key)) {
          const near = nearest(key, known);
          problems.push({ path: [...path, key], on: "key", found: `unknown key ${JSON.stringify(key)}`, expected: `one of ${known.join(", ")}`, ...(near && { nearest: near }) });
        } else if (Object.hasOwn(shared, key)) sharedKeys[key] = entry;
        else ownKeys[key] = entry;
      }
      const sharedRead = sharedShape.read(sharedKeys, path, problems);
      const own = chosen.shape.read(ownKeys, path, problems);
      return kind === INVALID || sharedRead === INVALID || own === INVALID ? INVALID : { kind, shared: sharedRead, own };
    },
  };
}

const propertiesOf = (schema: JsonSchema): Readonly<Record<string, unknown>> => (isRecord(schema["properties"]) ? schema["properties"] : {});
const requiredOf = (schema: JsonSchema): readonly unknown[] => (Array.isArray(schema["required"]) ? (schema["required"] as readonly unknown[]) : []);

interface Variant {
  readonly kind: string;
  readonly own: JsonSchema;
  readonly shared: JsonSchema;
  readonly optional: boolean;
}

const variant = ({ kind, own, shared, optional }: Variant): JsonSchema => ({
  ...own,
  type: "object",
  properties: { type: { const: kind, ...(optional && { default: kind }) }, ...propertiesOf(shared), ...propertiesOf(own) },
  required: [...(optional ? [] : ["type"]), ...requiredOf(shared), ...requiredOf(own)],
  additionalProperties: false,
});

const composed = (variants: readonly JsonSchema[], description: string): JsonSchema =>
  variants.length === 1 ? { description, ...variants[0] } : { description, oneOf: variants };
