/** Child of whole-path.ts, started with the flags of a service: prints the best of its runs as JSON. */
import { throughput } from "./whole-path.ts";

console.log(JSON.stringify(await throughput()));
