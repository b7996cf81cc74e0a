/** The demo's few options. Anything else is answered with the usage. */
export interface DemoOptions {
  /** Real seconds from the first record; default: the whole shift. */
  readonly seconds: number | null;
  /** How many times as fast as real. */
  readonly speed: number;
  readonly json: boolean;
  readonly seed: number;
}

export const USAGE = `Usage: npm run demo -- [--seconds N] [--speed N] [--json] [--seed N]

  --seconds N  stop N seconds after the first record (default: when the shift is over)
  --speed N    play the shift and the agent's clock N times as fast as real (default 480: eight hours in a minute)
  --json       standard output holds only the records and the summary, one JSON object a line
  --seed N     another seed, another shift (default 1)
  -h, --help   this text
`;

/** The options, or what is wrong with them in words. `null` asks for help. */
export function demoOptions(args: readonly string[]): DemoOptions | string | null {
  const numbers: { seconds: number | null; speed: number; seed: number } = { seconds: null, speed: 480, seed: 1 };
  let json = false;
  const words = args.flatMap((arg) => (/^--\w+=/u.test(arg) ? [arg.slice(0, arg.indexOf("=")), arg.slice(arg.indexOf("=") + 1)] : [arg]));
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    if (word === "-h" || word === "--help") return null;
    if (word === "--json") json = true;
    else if (word === "--seconds" || word === "--speed" || word === "--seed") {
      const text = words[++index] ?? "";
      const value = Number(text);
      const least = word === "--seed" ? 0 : 0.1;
      if (text.trim() === "" || !Number.isFinite(value) || value < least) return `${word} needs a number, at least ${least}${text === "" ? "" : `, not ${JSON.stringify(text)}`}`;
      if (word === "--speed" && value > 5000) return "--speed goes up to 5000: beyond that the network, which is not sped up, would look broken";
      numbers[word === "--seconds" ? "seconds" : word === "--speed" ? "speed" : "seed"] = value;
    } else return `${word ?? ""} is not an option of the demo`;
  }
  return { ...numbers, json };
}
