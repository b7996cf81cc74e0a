/**
 * What the simulated server is made with: packages for development (69 MB), found beside the program and never in its bundle.
 * An installed agent does not have them: then it is said where the simulator can be run.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type * as certificateLibrary from "node-opcua-certificate-manager";
import type * as clientLibrary from "node-opcua-client";
import type * as serverLibrary from "node-opcua-server";

export interface Packages {
  readonly server: typeof serverLibrary;
  readonly client: typeof clientLibrary;
  readonly certificates: typeof certificateLibrary;
}

const SERVER = "node-opcua-server";
const beside = createRequire(import.meta.url);

/** Throws when they are not there. */
export function packages(): Packages {
  if (!isThere()) throw new Error(`the simulated OPC UA server needs the package ${SERVER}, which is for development and not part of an installed agent: run it from a checkout of the repository (npm run cellgate -- simulate opcua)`);
  return {
    server: beside(SERVER) as typeof serverLibrary,
    client: beside("node-opcua-client") as typeof clientLibrary,
    certificates: beside("node-opcua-certificate-manager") as typeof certificateLibrary,
  };
}

function isThere(): boolean {
  try {
    beside.resolve(SERVER);
    return true;
  } catch {
    return false;
  }
}

/** Path of a specification's nodeset, which come with the server's packages. */
export function nodeset(name: keyof typeof NODESETS): string {
  return join(dirname(createRequire(beside.resolve(SERVER)).resolve("node-opcua-nodesets/package.json")), "nodesets", NODESETS[name]);
}
const NODESETS = {
  standard: "Opc.Ua.NodeSet2.xml", di: "Opc.Ua.Di.NodeSet2.xml", machinery: "Opc.Ua.Machinery.NodeSet2.xml", jobs: "opc.ua.isa95-jobcontrol.nodeset2.xml", machineryJobs: "Opc.Ua.Machinery.Jobs.Nodeset2.xml", ia: "Opc.Ua.IA.NodeSet2.xml",
  machineTool: "Opc.Ua.MachineTool.NodeSet2.xml", packML: "Opc.Ua.PackML.NodeSet2.xml", cnc: "Opc.Ua.CNC.NodeSet.xml",
} as const;
