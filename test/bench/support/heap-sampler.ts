/**
 * Loaded into an agent before it starts (`--import`), for a bench: after each full collection of V8's heap it appends a
 * line to the file named by HEAP_SAMPLES: what is left in the heap, in bytes. What lies in it between two collections is
 * garbage or not, nobody knows; what is left after one is alive. To be made JavaScript before: Node's own stripper of
 * types would add 5 MiB to the process that is measured.
 */
import { appendFileSync } from "node:fs";
import { constants, PerformanceObserver } from "node:perf_hooks";

const path = process.env["HEAP_SAMPLES"] ?? "";

const isFull = (entry: object): boolean =>
  "detail" in entry && typeof entry.detail === "object" && entry.detail !== null && "kind" in entry.detail && entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;

new PerformanceObserver((list) => {
  if (list.getEntries().some(isFull)) appendFileSync(path, `${process.memoryUsage().heapUsed}\n`);
}).observe({ entryTypes: ["gc"] });
