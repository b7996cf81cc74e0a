/** docs/brokers.md: each broker's example is a destination that `check` takes, with topics within its limits. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadedFrom } from "../../support/loaded.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "brokers.md"), "utf8");
const examples = [...page.matchAll(/^## (.+)\n(?:(?!^## )[\s\S])*?```yaml\n([\s\S]*?)```/gm)].map(([, broker = "", yaml = ""]) => [broker, yaml] as const);
const REST = `
agent: {id: cell-7, site: lyon, area: machining, cell: cell-7, timezone: Europe/Paris}
machines:
  - id: VMC-3
    sources: [{type: mtconnect, url: "http://10.0.7.21:8082"}]
`;

describe("docs/brokers.md", () => {
  it("has an example for each broker it names", () => {
    expect(examples.map(([broker]) => broker)).toEqual(["Mosquitto", "RabbitMQ, MQTT plugin", "aedes", "EMQX", "HiveMQ", "AWS IoT Core", "Azure Event Grid, MQTT broker"]);
  });

  it.each(examples)("%s", (_, yaml) => {
    const { destinations } = loadedFrom(yaml + REST);
    expect(destinations).toHaveLength(1);
  });
});
