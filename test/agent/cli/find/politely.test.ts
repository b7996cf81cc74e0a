import { expect, it } from "vitest";
import { politely } from "../../../../agent/cli/find/politely.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const never = new Promise<never>(() => undefined);
const tellOf = (work: Promise<string>): Promise<string> => work.catch((cause: unknown) => (cause instanceof Error ? cause.message : "?"));

it("waits for work as long as nobody stops it, and then for a goodbye, within a second", async () => {
  const clock = fakeClock();
  const stopping = new AbortController();
  const [quick, slow] = [Promise.withResolvers<string>(), tellOf(politely(never, clock, stopping.signal))];
  const first = tellOf(politely(quick.promise, clock, stopping.signal));
  await clock.advance(60_000);
  stopping.abort(new Error("stopped by SIGINT"));
  await clock.advance(300);
  quick.reject(new Error("said goodbye"));
  expect(await first).toBe("said goodbye");
  await clock.advance(600);
  expect(await slow).toBe("stopped by SIGINT");
  expect(clock.waiting).toBe(0);
  const late = tellOf(politely(never, clock, stopping.signal));
  await clock.advance(900);
  expect(await late).toBe("stopped by SIGINT");
});
