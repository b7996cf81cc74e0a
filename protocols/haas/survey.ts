/** Whether a Haas control answers: it is asked who it is, as a session begins, and left. */
import { InvariantError } from "../../agent/contract/errors.ts";
import { decode } from "../../agent/contract/shape.ts";
import type { Address, Found, Keys, Survey } from "../../agent/contract/survey.ts";
import { HAAS_SHAPE, type HaasConfig } from "./config.ts";
import { connect } from "./connect.ts";

export const survey: Survey<HaasConfig> = {
  keys: keysOf,
  serialKeys: (path) => keysOf({ serial: path }),
  async identify({ at, timeoutMs }, ports, signal): Promise<readonly Found[]> {
    const decoded = decode(HAAS_SHAPE, keysOf(at));
    if (!decoded.ok) throw new InvariantError(`an address alone is no Haas source: ${JSON.stringify(at)}`);
    const session = await connect({ ...decoded.value, timeout: timeoutMs }, ports, signal);
    try {
      const { facts } = session.describe();
      return [{ words: `Haas ${facts["model"] ?? "control"}, serial number ${facts["serial number"] ?? "not said"}`, keys: keysOf(at), facts, notes: ["its MTConnect port (8082) tells more, where it has one: then read that instead"] }];
    } finally {
      await session.close();
    }
  },
};

function keysOf(at: Address): Keys {
  return "host" in at ? { ...at } : { serial: { path: at.serial } };
}
