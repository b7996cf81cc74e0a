import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { asyncApiDocument } from "../../../buffer/mqtt/asyncapi.ts";
import { recordSchemas } from "../../../buffer/mqtt/schemas.ts";
import { RECORD_BODIES, RECORD_TYPES } from "../../../agent/contract/record.ts";
import { decode, type Shape } from "../../../agent/contract/shape.ts";
import { startAedes, subscribe } from "../../support/broker.ts";
import { delivering, destinationAt, eventOf, IDENTITY, put, testBoard } from "../../support/delivering.ts";
import { markingOf, memoryOutbox } from "../../support/memory-outbox.ts";
import { startScriptedBroker } from "../../support/scripted-broker.ts";
import { SAMPLES } from "../../support/sample-records.ts";
import { offlineHeartbeat } from "../../../buffer/mqtt/destination.ts";

interface Document {
  readonly channels: Readonly<Record<string, { readonly address: string; readonly messages: Readonly<Record<string, { readonly $ref: string }>> }>>;
  readonly operations: Readonly<Record<string, { readonly action: string; readonly channel: { readonly $ref: string }; readonly bindings: { readonly mqtt: { readonly qos: number; readonly retain?: boolean } } }>>;
  readonly components: { readonly messages: Readonly<Record<string, { readonly payload: object }>>; readonly schemas: Readonly<Record<string, object>> };
}
const document = asyncApiDocument() as Document;

function validator(): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, allErrors: true, strictRequired: false, allowUnionTypes: true });
  (addFormats as unknown as (target: Ajv2020) => void)(ajv);
  return ajv;
}
const matches = (address: string, topic: string): boolean => new RegExp(`^${address.replace(/\{\w+\}/g, "[a-z0-9-]+")}$`).test(topic);

describe("what is published, and what the documents say of it", () => {
  it("the samples are records", () => {
    for (const type of RECORD_TYPES) {
      const shape: Shape<unknown> = RECORD_BODIES[type];
      expect(decode(shape, SAMPLES[type].body)).toMatchObject({ ok: true });
    }
  });

  it("every type, of a machine and of the agent, is on a documented topic with a documented payload", async () => {
    await using broker = await startAedes();
    await using subscriber = await subscribe(broker.port);
    const outbox = memoryOutbox(IDENTITY.epoch, markingOf(IDENTITY.epoch, "life-1", true));
    await put(outbox, RECORD_TYPES.map((type) => SAMPLES[type]));
    await put(outbox, RECORD_TYPES.map((type) => SAMPLES[type]), null);
    await outbox.commit({ ...LATE, records: [SAMPLES.state] });
    const board = testBoard({ scope: "live", machine: "VMC-3", name: "spindle_speed", payload: { value: 1 } }, { scope: "health", machine: "VMC-3", payload: {} }, { scope: "heartbeat", payload: offlineHeartbeat(IDENTITY, "closed") });
    await using _ = delivering(destinationAt(broker.port), outbox, { board });
    await outbox.drained();
    await subscriber.until(({ length }) => length === 2 * RECORD_TYPES.length + 5);

    const ajv = validator();
    const used = new Set<string>();
    for (const { topic, text } of subscriber.received) {
      const fits = Object.entries(document.channels).filter(([, { address }]) => matches(address, topic));
      expect(fits.map(([name]) => name)).toHaveLength(1);
      const [name, channel] = fits[0] ?? ["", { address: "", messages: {} }];
      used.add(name);
      for (const { $ref } of Object.values(channel.messages)) {
        const validate = ajv.compile(payloadOf($ref));
        validate(eventOf(text));
        expect({ topic, errors: validate.errors }).toEqual({ topic, errors: null });
      }
    }
    expect(used).toEqual(new Set(Object.keys(document.channels).filter((name) => !COMES_TO_US.includes(name))));
    expect(subscriber.received.filter(({ text }) => eventOf(text)["late"] === true)).toHaveLength(1);
  });

  it("what we subscribe to is what the document says we take", async () => {
    await using broker = await startScriptedBroker({});
    const delivery = await destinationAt(broker.port).connect(new AbortController().signal, () => undefined);
    while (broker.subscriptions.length < COMES_TO_US.length) await new Promise((resolve) => setTimeout(resolve, 5));
    await delivery.close();
    expect(broker.subscriptions.map((topic) => Object.entries(document.channels).filter(([name, { address }]) => COMES_TO_US.includes(name) && matches(address, topic)).map(([name]) => name))).toEqual(COMES_TO_US.map((kind) => [kind]));
  });

  it("a record's data fits its own schema, and nothing else does", () => {
    const ajv = validator();
    const schemas = recordSchemas();
    for (const type of RECORD_TYPES) {
      const validate = ajv.compile(schemas[type].data);
      const { id, rev, body } = SAMPLES[type];
      const data = { schema: `${type}/1`, recordId: id, rev, ...CONTEXT, ...body };
      validate(data);
      expect(validate.errors).toBe(null);
      expect(validate({ ...data, extra: 1 })).toBe(false);
      expect(validate({ ...data, schema: "other/1" })).toBe(false);
      expect(validate({ ...data, start: "yesterday" })).toBe(false);
      expect(ajv.compile(schemas[type].event)({ specversion: "1.0" })).toBe(false);
    }
  });

  it("every reference leads somewhere, every channel is used once, records unretained and current values retained", () => {
    const references = JSON.stringify(document).match(/"\$ref":"#[^"]+"/g) ?? [];
    for (const reference of references) expect({ reference, found: resolve(reference.slice(8, -1)) !== undefined }).toEqual({ reference, found: true });
    const operations = Object.values(document.operations);
    expect(operations.map(({ channel }) => channel.$ref).toSorted()).toEqual(Object.keys(document.channels).map((name) => `#/channels/${name}`).toSorted());
    for (const { action, channel, bindings } of operations) expect({ action, qos: bindings.mqtt.qos, retain: bindings.mqtt.retain ?? false }).toEqual(COMES_TO_US.some((kind) => channel.$ref.endsWith(`/${kind}`)) ? { action: "receive", qos: 1, retain: false } : { action: "send", qos: 1, retain: !/ecord/.test(channel.$ref) });
    for (const { address } of Object.values(document.channels)) expect(address.split("/").length - 1).toBeLessThanOrEqual(7);
  });
});

const COMES_TO_US: readonly string[] = ["confirm", "replay", "cmd"];
const CONTEXT = { environment: "test", equipment: { machine: null }, erp: null, tz: "Europe/Paris" } as const;
const LATE = { machine: "VMC-3", context: JSON.stringify(CONTEXT), checkpoint: null, observedAt: SAMPLES.state.start, late: true } as const;
const resolve = (reference: string): unknown =>
  reference.split("/").slice(1).reduce<unknown>((place, key) => (typeof place === "object" && place !== null ? (place as Record<string, unknown>)[key] : undefined), document);
/** The schema of a message's payload. */
function payloadOf(message: string): object {
  const { payload } = resolve(message) as { readonly payload: object };
  return "$ref" in payload ? (resolve(String(payload.$ref)) as object) : payload;
}
