import { describe, expect, it } from "vitest";
import { brokerAddress, MQTT_SHAPE } from "../../../buffer/mqtt/config.ts";
import { mqttDestination } from "../../../buffer/mqtt/destination.ts";
import { decode } from "../../../agent/contract/shape.ts";

const read = (keys: object) => decode(MQTT_SHAPE, { url: "mqtts://broker.example.com", ...keys });
const problems = (keys: object): readonly string[] => {
  const decoded = read(keys);
  return decoded.ok ? [] : decoded.problems.map(({ path, found, expected }) => `${path.join(".")}: ${found}; ${expected}`);
};

describe("the keys of an MQTT destination", () => {
  it("fills in what is not said", () => {
    expect(read({})).toEqual({ ok: true, value: {
      url: ["mqtts://broker.example.com"], mark: true, topic: "cellgate/v1/{site}/{area}/{cell}/{machine}", protocol: "auto", keepalive: 10_000, window: 20,
      latency: { live: 0, state: 0, downtime: 0, alarm: 0, connection: 0, loss: 0, cycle: 5_000, count: 5_000, summary: 900_000, receipt: 900_000 },
    } });
  });

  it("takes everything that design.md shows", () => {
    const keys = { username: "cell-7", password: { credential: "mqtt" }, tls: { ca: "/a", cert: "/b", key: "/c" }, latency: { live: "0s", downtime: "0s", cycle: "5s", summary: "15m" } };
    expect(read(keys)).toMatchObject({ ok: true, value: { latency: { live: 0, cycle: 5_000, summary: 900_000 } } });
  });

  it.each([
    [{ url: "mqtts://user:secret@broker" }, "without a user name or password in it"],
    [{ url: "http://broker" }, "mqtts://HOST"],
    [{ password: "secret", username: "u" }, "where it lies: {file:"],
    [{ password: { file: "/a", env: "B" }, username: "u" }, "the keys \"file\", \"env\""],
    [{ password: { file: "/a" } }, "a password without a user name"],
    [{ url: "mqtt://broker", tls: { ca: "/a" } }, "mqtt:// together with tls"],
    [{ url: ["mqtts://broker", "ws://broker/mqtt"], tls: { ca: "/a" } }, "ws:// together with tls"],
    [{ url: [] }, "a list of 1 to 8"],
    [{ url: ["mqtts://broker", "mqtts://broker"] }, "the same broker twice"],
    [{ url: ["mqtts://broker", "mqtts://Broker:8883"] }, "the same broker twice"],
    [{ tls: { ca: "ca.pem" } }, "an absolute path"],
    [{ url: "mqtts://broker/mqtt" }, "mqtts://HOST"],
    [{ url: "wss://broker/mqtt?key=1" }, "wss://HOST/PATH"],
    [{ tls: { alpn: [] } }, "a list of 1 to 8"],
    [{ rate_limit: 80 }, "such as 80/s"],
    [{ drain_rate: "0/s" }, "such as 80/s"],
    [{ tls: { cert: "/a" } }, "only one of cert and key"],
    [{ tls: { insecure: true } }, "unknown key"],
    [{ window: 1_001 }, "from 1 to 1000"],
    [{ keepalive: 15 }, "a duration with its unit"],
    [{ protocol: "4" }, "auto, 5, 3.1.1"],
    [{ protocol: 5 }, "auto, 5, 3.1.1"],
    [{ client_id: "a b" }, "1 to 64 letters"],
  ])("refuses %j", (keys, expected) => {
    expect(problems(keys)).toEqual([expect.stringContaining(expected)]);
    expect(problems(keys).join()).not.toContain('"secret"');
  });

  it.each([
    ["mqtts://broker.example.com", { host: "broker.example.com", port: 8883, encrypted: true, path: null }],
    ["wss://broker.example.com", { host: "broker.example.com", port: 443, encrypted: true, path: "/mqtt" }],
    ["wss://broker.example.com/", { host: "broker.example.com", port: 443, encrypted: true, path: "/" }],
    ["ws://[fe80::1]:8083/a/b", { host: "fe80::1", port: 8083, encrypted: false, path: "/a/b" }],
    ["mqtt://10.0.4.2", { host: "10.0.4.2", port: 1883, encrypted: false, path: null }],
    ["mqtt://[fe80::1]:1900/", { host: "fe80::1", port: 1900, encrypted: false, path: null }],
  ])("address of %s", (url, expected) => {
    expect(problems({ url })).toEqual([]);
    expect(brokerAddress(url)).toEqual(expected);
  });

  it("gives the delivery loop its pace", () => {
    const decoded = read({ latency: { cycle: "2s", live: "250ms" }, drain_rate: "50/s" });
    const fast = { state: 0, downtime: 0, alarm: 0, connection: 0, loss: 0, count: 5_000, summary: 900_000, receipt: 900_000 };
    expect(decoded.ok && mqttDestination.pacing?.(decoded.value)).toEqual({ latencyMs: { ...fast, cycle: 2_000 }, liveMs: 250, drainPerSecond: 50 });
  });

  it("checks the template against the whole site, and says where records go", () => {
    const decoded = read({ username: "u", topic: "a/b/c/d/{site}/{area}/{machine}" });
    const plan = { agent: { id: "g", site: "lyon", area: "x" }, machines: ["M1"] };
    expect(decoded.ok && mqttDestination.check?.(decoded.value, plan, [])).toMatchObject([{ path: ["topic"], found: expect.stringContaining("8 slashes") as string }, { path: ["topic"] }]);
    expect(decoded.ok && mqttDestination.summary?.(decoded.value, plan)).toEqual(["connects to mqtts://broker.example.com as u, client id g", "M1 → a/b/c/d/lyon/x/m1/rec/…"]);
  });

  it.each([
    ["one id at one broker, however it is spelt", [{ url: "mqtt://B" }, { url: ["mqtts://other", "mqtt://b:1883"] }], [["name"]]],
    ["the same id said by hand", [{ client_id: "g" }, { client_id: "g" }], [["client_id"]]],
    ["another port is another broker", [{ url: "mqtt://b:1" }, { url: "mqtt://b:2" }], []],
    ["ids of their own", [{}, { client_id: "g-2" }], []],
    ["Sparkplug under the records' id", [{ sparkplug: { group: "G", client_id: "g" } }], [["sparkplug", "client_id"]]],
    ["Sparkplug under the id that Sparkplug has elsewhere", [{ sparkplug: { group: "G" } }, { client_id: "x", sparkplug: { group: "H", client_id: "g-spb" } }], [["sparkplug", "client_id"]]],
    ["one edge node twice", [{ sparkplug: { group: "G" } }, { client_id: "x", sparkplug: { group: "G" } }], [["sparkplug"]]],
    ["records under the id of Sparkplug", [{ sparkplug: { group: "G" } }, { client_id: "g-spb" }], [["client_id"]]],
  ] as const)("client ids at one broker: %s", (_, all, paths) => {
    const plan = { agent: { id: "g", site: "lyon" }, machines: ["M1"] };
    const decoded = all.map((keys, index) => ({ name: `d${index}`, read: read(keys) })).flatMap(({ name, read }) => (read.ok ? [{ name, config: read.value }] : []));
    expect(decoded.length).toBe(all.length);
    const last = decoded.at(-1);
    expect(last && mqttDestination.check?.(last.config, plan, decoded.slice(0, -1)).map(({ path }) => path)).toEqual(paths);
  });
});
