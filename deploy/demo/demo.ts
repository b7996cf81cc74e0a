/**
 * `npm run demo`: a whole shift of a simulated machine in a minute, as it arrives at the broker. What is printed comes
 * from the messages alone. Ends when the shift is over, after --seconds, or with Ctrl-C; then sums up.
 * Exit codes: 0 good, 1 the agent died or nothing came within 30 s, 2 usage.
 */
import { dirname, join } from "node:path";
import { demoOptions, USAGE, type DemoOptions } from "./arguments.ts";
import { decodeEvent } from "./event.ts";
import { Ledger } from "./ledger.ts";
import { bar, summaryText } from "./picture.ts";
import { Presenter } from "./presenter.ts";
import { raiseStage, type Stage } from "./stage.ts";
import { publishedSummaries, stretches, summarize } from "./summary.ts";

const BUNDLE = join(dirname(dirname(import.meta.dirname)), "dist", "cellgate.mjs");
const FIRST_RECORD_MS = 30_000;
/** The summary of the shift comes a moment after its end. */
const AFTER_SHIFT_MS = 3_000;
const PICTURE_MS = 250;
const WIDTH = 72;

/** Settles the run: once, by whatever comes first. */
type Ending = { readonly why: "time" | "asked" } | { readonly why: "failed"; readonly words: string };

async function main(): Promise<number> {
  const options = demoOptions(process.argv.slice(2));
  if (options === null || typeof options === "string") {
    process[options === null ? "stdout" : "stderr"].write(options === null ? USAGE : `${options}\n\n${USAGE}`);
    return options === null ? 0 : 2;
  }
  return play(options);
}

async function play(options: DemoOptions): Promise<number> {
  const { promise: ending, resolve: end } = Promise.withResolvers<Ending>();
  const interrupted = (): void => {
    end({ why: "asked" });
  };
  // SIGHUP: the terminal was closed. `npm run demo | head`: the reader has gone. Either way nothing may stay behind.
  process.on("SIGINT", interrupted).on("SIGTERM", interrupted).on("SIGHUP", interrupted);
  const screen = new Screen(options.json, interrupted);
  const ledger = new Ledger();
  const presenter = new Presenter(screen);
  const timers = [setTimeout(() => {
    end({ why: "failed", words: `no record arrived within ${FIRST_RECORD_MS / 1000} s of the start` });
  }, FIRST_RECORD_MS)];

  const onRecord = (text: string): void => {
    if (isOver) return; // What still comes while everything stops is in no sum.
    const event = decodeEvent(text);
    if (event === null) return screen.note(`a message that is no record of ours: ${text.slice(0, 120)}`);
    if (ledger.received === 0) {
      clearTimeout(timers[0]);
      const seconds = options.seconds ?? (shiftMs / options.speed + AFTER_SHIFT_MS) / 1000;
      timers.push(setTimeout(() => {
        end({ why: "time" });
      }, seconds * 1000));
    }
    if (options.json) screen.result(text);
    if (ledger.take(event)) for (const line of presenter.lines(event)) screen.line(line);
    if (options.seconds === null && event.type === "summary") timers.push(setTimeout(end, 500, { why: "time" }));
  };
  let [shiftMs, isOver] = [0, false];
  screen.line(`A machine shop in a box: a simulated mill, the agent, a broker. ${options.speed} times as fast as real; Ctrl-C ends it.\n`);
  let stage: Stage | null = null;
  try {
    stage = await raiseStage({ speed: options.speed, seed: options.seed, bundle: BUNDLE, onRecord, onProgram: (source, program) => {
      presenter.program(source, program);
    } });
    shiftMs = stage.endMs - stage.startMs;
    void stage.died.then((words) => {
      end({ why: "failed", words });
    });
    const picture = setInterval(paint, PICTURE_MS, screen, ledger, stage);
    const result = await ending;
    isOver = true;
    clearInterval(picture);
    return report({ result, options, screen, ledger, stage });
  } catch (error) {
    screen.note(`The demo could not begin: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    await stage?.close();
  }
}

function report(at: { readonly result: Ending; readonly options: DemoOptions; readonly screen: Screen; readonly ledger: Ledger; readonly stage: Stage }): number {
  const { result, options, screen, ledger, stage } = at;
  screen.clearPicture();
  const until = Math.min(stage.now(), stage.endMs);
  const summary = summarize(ledger, stage.machine, { from: stage.startMs, until });
  if (options.json) screen.result(JSON.stringify({ summary: { ...summary, published: publishedSummaries(ledger) } }));
  else screen.line(`\n${summaryText(summary, stretches(ledger, until), { colours: screen.colours, width: WIDTH, shiftEnd: stage.endMs })}\n`);
  if (result.why === "failed") {
    screen.note(`The demo failed: ${result.words}`);
    return 1;
  }
  if (summary.records.lost > 0) {
    screen.note(`${summary.records.lost} records are missing: the chain of their numbers has holes. That is a fault of cellgate; please report it.`);
    return 1;
  }
  return 0;
}

function paint(screen: Screen, ledger: Ledger, stage: Stage): void {
  const until = Math.min(stage.now(), stage.endMs);
  screen.picture(bar(stretches(ledger, until), { from: stage.startMs, until: stage.endMs, width: WIDTH }, screen));
}

/** Lines scroll; at a terminal the last one is the picture. With --json everything but results goes to standard error. */
class Screen {
  readonly colours: boolean;
  private readonly text: NodeJS.WriteStream;
  private shown = false;
  constructor(json: boolean, onReaderGone: () => void) {
    this.text = json ? process.stderr : process.stdout;
    this.colours = this.text.isTTY && (process.env["NO_COLOR"] ?? "") === "";
    for (const stream of [process.stdout, process.stderr]) stream.on("error", onReaderGone);
  }
  line(text: string): void {
    this.clearPicture();
    this.text.write(`${text}\n`);
  }
  note(text: string): void {
    this.clearPicture();
    process.stderr.write(`${text}\n`);
  }
  result(text: string): void {
    process.stdout.write(`${text}\n`);
  }
  picture(text: string): void {
    if (!this.colours) return;
    this.text.write(`\r\u001B[2K${text}`);
    this.shown = true;
  }
  clearPicture(): void {
    if (this.shown) this.text.write("\r\u001B[2K");
    this.shown = false;
  }
}

process.exitCode = await main();
