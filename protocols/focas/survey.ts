/** Who answers at a FOCAS port: opens the command channel, asks what the control is, and gives its slot back. */
import { InvariantError, LinkError } from "../../agent/contract/errors.ts";
import { decode } from "../../agent/contract/shape.ts";
import type { Found, Survey, TcpAddress } from "../../agent/contract/survey.ts";
import { FOCAS_SHAPE, type FocasConfig } from "./config.ts";
import { Connection, NoSlotError } from "./connection.ts";
import { factsOf, identify } from "./control.ts";

export const survey: Survey<FocasConfig> = {
  keys: (at) => ("host" in at ? { host: at.host, port: at.port } : {}),
  async identify({ at, timeoutMs }, ports, signal): Promise<readonly Found[]> {
    let connection: Connection;
    try {
      connection = await Connection.open({ ...at, timeoutMs }, ports, signal);
    } catch (cause) {
      // It has said in its own protocol that it takes nobody more.
      if (!(cause instanceof NoSlotError)) throw cause;
      return [{ words: "FANUC control, all connections taken", keys: { ...at }, notes: ["all its FOCAS connections are taken: end one of the other programs before you add it"] }];
    }
    try {
      const control = await identify(connection, configFor(at, timeoutMs), signal);
      const several = control.hasSeveral ? [`it has ${control.paths.length} paths: all are read; path: N reads one alone`] : [];
      return [{ words: control.name, keys: { ...at }, facts: factsOf(control), notes: ["add length_unit: mm or inch, as on its screen", ...several] }];
    } catch (cause) {
      if (cause instanceof LinkError && cause.fault === "unsupported") return [{ words: "FOCAS server that does not say what it is", keys: { ...at }, notes: [cause.message] }];
      throw cause;
    } finally {
      await connection.close();
    }
  },
};

function configFor(at: TcpAddress, timeoutMs: number): FocasConfig {
  const decoded = decode(FOCAS_SHAPE, { ...at });
  if (!decoded.ok) throw new InvariantError(`an address alone is no FOCAS source: ${JSON.stringify(at)}`);
  return { ...decoded.value, timeout: timeoutMs };
}
