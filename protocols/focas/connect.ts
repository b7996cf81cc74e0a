/** Everything that a session needs, loaded when the first control is connected: a kind that is not configured costs nothing. */
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import type { FocasConfig } from "./config.ts";
import { Connection } from "./connection.ts";
import { identify } from "./control.ts";
import { PathReader } from "./path-reader.ts";
import { FocasSession } from "./session.ts";

/** A session is only given when the control has said what it is and what it can tell. */
export async function connect(config: FocasConfig, ports: Ports, signal: AbortSignal): Promise<Session> {
  const connection = await Connection.open({ host: config.host, port: config.port, timeoutMs: config.timeout }, ports, signal);
  try {
    const control = await identify(connection, config, signal);
    const paths = control.paths.map((path) => new PathReader({ connection, control, config }, path));
    for (const path of paths) await path.settle(signal);
    const refused = [...new Set(paths.flatMap((path) => path.refused))];
    if (refused.length > 0) ports.log.info({ control: control.name, refused }, "the control does not tell these values");
    const which = config.path !== undefined ? `, path ${config.path}` : control.hasSeveral ? `, ${paths.length} paths` : "";
    return new FocasSession({ connection, control, paths, config, ports, peer: `${control.name} at ${config.host}:${config.port}${which}` });
  } catch (cause) {
    await connection.close();
    throw cause;
  }
}
