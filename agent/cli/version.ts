/** `cellgate version`: what is running, for support. */
import { JSON_OUTPUT } from "./arguments.ts";
import { GOOD, type Command } from "./cli.ts";
import { write } from "./terminal.ts";

export interface Version {
  readonly version: string;
  /** Node's version, architecture and platform: "24.21.0 linux x64". */
  readonly runtime: string;
}

export const versionCommand = (version: Version): Command => ({
  name: "version",
  summary: "print the version",
  positionals: [],
  options: JSON_OUTPUT,
  async run(args, io) {
    await write(io.stdout, args.flag("json") ? `${JSON.stringify(version)}\n` : `cellgate ${version.version} (node ${version.runtime})\n`);
    return GOOD;
  },
});
