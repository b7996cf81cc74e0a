import { describe, expect, it } from "vitest";
import { DEFAULT_TOPIC, slug, topicProblems, topicsOf } from "../../../buffer/mqtt/topic.ts";

const SITE = { id: "Gateway 7", site: "Lyon", area: "Machining", cell: "Cell 7" };

describe("topics", () => {
  it.each([["VMC-3", "vmc-3"], ["Drehmaschine Nr. 3", "drehmaschine-nr-3"], ["Fräse", "frase"], ["a/b+c#d", "a-b-c-d"], ["__x__", "x"], ["机床", ""]])("slug of %s is %s", (text, expected) => {
    expect(slug(text)).toBe(expected);
  });

  it("fills the levels, and drops those that are not configured", () => {
    const topics = topicsOf(DEFAULT_TOPIC, SITE);
    expect(topics.record("VMC-3", "cycle")).toBe("cellgate/v1/lyon/machining/cell-7/vmc-3/rec/cycle");
    expect(topics.retained({ scope: "live", machine: "VMC-3", name: "spindle_speed", payload: {} })).toBe("cellgate/v1/lyon/machining/cell-7/vmc-3/live/spindle-speed");
    expect(topics.retained({ scope: "health", machine: "VMC-3", payload: {} })).toBe("cellgate/v1/lyon/machining/cell-7/vmc-3/health");
    expect(topics.heartbeat).toBe("cellgate/v1/lyon/machining/cell-7/_agent/gateway-7");
    expect(topicsOf(DEFAULT_TOPIC, { id: "g" }).record("M1", "state")).toBe("cellgate/v1/m1/rec/state");
  });

  it("keeps the agent's own records within 7 slashes", () => {
    expect(topicsOf(DEFAULT_TOPIC, { id: "g", site: "lyon" }).record(null, "loss")).toBe("cellgate/v1/lyon/_agent/g/rec/loss");
    expect(topicsOf(DEFAULT_TOPIC, SITE).record(null, "loss")).toBe("cellgate/v1/lyon/machining/cell-7/_agent/gateway-7/loss");
  });

  it("two names that no slug can be made of do not share a topic", () => {
    const topics = topicsOf(DEFAULT_TOPIC, { id: "g" });
    expect(topics.source("机床")).not.toBe(topics.source("车床"));
    expect(topics.source("机床")).toMatch(/^cellgate\/v1\/x[0-9a-f]+$/);
  });

  it.each([
    [DEFAULT_TOPIC, ["VMC-3", "VMC-4"], []],
    [DEFAULT_TOPIC, ["VMC 3", "vmc-3"], ["machines VMC 3 and vmc-3 share the topic"]],
    ["plant/{sit}/{machine}", [], ["{sit}; it may hold {enterprise}"]],
    ["plant/{site}", [], ["no level {machine}"]],
    ["plant/+/{machine}", [], ["+ or #"]],
    ["$SYS/{machine}", [], ["begins with / or $"]],
    ["a/b/c/{site}/{area}/{cell}/{machine}", ["M"], ["has 8 slashes", "has 8 slashes"]],
    [`${"x".repeat(250)}/{machine}`, ["M"], ["bytes", "bytes"]],
  ])("problems of %s", (template, machines, expected) => {
    const problems = topicProblems(template, SITE, machines);
    expect(problems).toHaveLength(expected.length);
    for (const [index, part] of expected.entries()) expect(problems[index]).toContain(part);
  });
});
