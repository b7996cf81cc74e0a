/** The table of reason codes holds every one that the specifications have for a packet a broker sends, and only those. */
import { describe, expect, it } from "vitest";
import { connectRefusal, dismissal, subscriptionRefusal, verdict } from "../../../buffer/mqtt/reason-codes.ts";

/** MQTT 5, tables 3-1, 3-4, 3-8 and 3-10 (DISCONNECT: those a server sends). */
const CONNACK = [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f];
const PUBACK = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const SUBACK = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
const DISCONNECT = [0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2];
const ALL = Array.from({ length: 256 }, (_, code) => code);
const hex = (code: number): string => `(0x${code.toString(16).padStart(2, "0")})`;

describe("reason codes", () => {
  it("CONNACK of MQTT 5 and of 3.1.1: each says what it is, and what is next", () => {
    for (const code of CONNACK) expect(connectRefusal(code).text).toMatch(/^[a-z]/i);
    for (const code of CONNACK) expect(connectRefusal(code).text).not.toContain("unknown");
    expect([1, 2, 3, 4, 5].map((code) => connectRefusal(code))).toEqual([0x84, 0x85, 0x88, 0x86, 0x87].map((code) => connectRefusal(code)));
    expect(Object.fromEntries(CONNACK.map((code) => [code.toString(16), connectRefusal(code).next]))).toEqual({
      80: "soon", 81: "person", 82: "person", 83: "soon", 84: "version", 85: "person", 86: "person", 87: "person", 88: "soon", 89: "soon", "8a": "person", "8c": "person",
      90: "person", 95: "person", 97: "soon", 99: "person", "9a": "retain", "9b": "person", "9c": "person", "9d": "person", "9f": "person",
    });
  });

  it("PUBACK: each is accepted, refused, tried again or ends the link", () => {
    expect(Object.fromEntries(PUBACK.map((code) => [code.toString(16), verdict(code).verdict]))).toEqual({ 0: "accepted", 10: "accepted", 80: "retry", 83: "retry", 87: "retry", 90: "refused", 91: "stop", 97: "stop", 99: "refused" });
  });

  it("SUBACK: granted or refused with words", () => {
    for (const code of SUBACK) expect([code, subscriptionRefusal(code) === null]).toEqual([code, code < 0x80]);
    for (const code of SUBACK.filter((one) => one >= 0x80)) expect(subscriptionRefusal(code)).toMatch(/^(?!unknown)/);
  });

  it("DISCONNECT: each says what it is, and what is next", () => {
    for (const code of DISCONNECT) expect(dismissal(code).text).not.toContain("unknown");
    expect(Object.fromEntries(DISCONNECT.map((code) => [code.toString(16), dismissal(code).next]))).toMatchObject({ "8e": "taken", 93: "window", 95: "message", 96: "slower", 97: "slower", "9c": "person", "9d": "person", "8b": "soon" });
  });

  it("a code nobody knows is named by its number, and nothing is lost for it", () => {
    for (const code of ALL.filter((one) => one >= 0x80 && !PUBACK.includes(one))) expect(verdict(code)).toEqual({ verdict: "retry", words: expect.stringContaining(hex(code)) as string });
    for (const code of ALL.filter((one) => one >= 0xa3)) expect([connectRefusal(code), dismissal(code)]).toEqual([{ next: "soon", text: `unknown reason ${hex(code)}.` }, { next: "soon", text: `unknown reason ${hex(code)}.` }]);
  });
});
