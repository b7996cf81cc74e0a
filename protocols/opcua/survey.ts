/** Which OPC UA server answers, and what security it offers: one connection, no session, and the library is not loaded. */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Found, Survey, TcpAddress } from "../../agent/contract/survey.ts";
import { dial } from "../shared/dial.ts";
import { Exchange } from "../shared/exchange.ts";
import type { OpcuaConfig } from "./config.ts";
import { decodeEndpoints, decodeError, decodeOpened, encodeClose, encodeGetEndpoints, encodeHello, encodeOpen, MessageFramer, type Channel, type Message, type Server } from "./greeting-codec.ts";

export const survey: Survey<OpcuaConfig> = {
  async identify({ at, timeoutMs }, ports, signal): Promise<readonly Found[]> {
    const url = urlOf(at);
    const where = `the OPC UA server at ${url}`;
    const socket = await dial({ what: "the OPC UA server", ...at, timeoutMs }, ports, signal);
    const exchange = new Exchange<Message>({ stream: socket, framer: new MessageFramer(`what ${where} says`), where, network: ports.network, timeoutMs });
    let channel: Channel | null = null;
    try {
      const hello = await exchange.ask(encodeHello(url), signal);
      if (hello.type === "ERR") return [foundOf(at, null, `it says ${decodeError(hello, where)}`)];
      if (hello.type !== "ACK") throw new LinkError("protocol", "backoff", `${where} answers a Hello with ${hello.type}`);
      channel = decodeOpened(await exchange.ask(encodeOpen(timeoutMs), signal), where);
      if (channel === null) return [foundOf(at, null, "it does not say what it offers")];
      const server = decodeEndpoints(await exchange.ask(encodeGetEndpoints(channel, url, timeoutMs), signal), where);
      return [foundOf(at, server, "it does not say what it offers")];
    } finally {
      // The server frees the channel at once; it answers nothing to this.
      if (channel !== null && socket.writable) socket.end(encodeClose(channel));
      else socket.destroy();
      ports.network.after(1_000, () => { socket.destroy(); });
    }
  },
};

const urlOf = ({ host, port }: TcpAddress): string => `opc.tcp://${host.includes(":") ? `[${host}]` : host}:${port}`;

/** SINUMERIK's own server names itself so (opcua.md); of any other, a list of nodes must be written. */
const SINUMERIK = /sinumerik/iu;
/** Known to every server: the stanza can be read as it is. */
const CURRENT_TIME = { signal: "point/server_time", node: "i=2258" };

function foundOf(at: TcpAddress, server: Server | null, why: string): Found {
  const { name = "", productUri = "", applicationUri = "", endpoints = [] } = server ?? {};
  const isSinumerik = [name, productUri, applicationUri].some((one) => SINUMERIK.test(one));
  const modes = ["encrypt", "sign", "none"].filter((mode) => endpoints.some((one) => one.mode === mode));
  const logins = [...new Set(endpoints.flatMap((one) => one.logins))];
  return {
    words: `OPC UA server${name === "" ? "" : ` ${name}`}`,
    keys: { url: urlOf(at), ...(isSinumerik ? { profile: "sinumerik" } : { points: [CURRENT_TIME] }), security: modes[0] ?? "encrypt" },
    facts: {
      ...(name !== "" && { name }), ...(productUri !== "" && { product: productUri }),
      ...(endpoints.length > 0 && { security: [...new Set(endpoints.map(({ mode, policy }) => (mode === "none" ? "none" : `${mode} (${policy})`)))].join(", "), logins: logins.join(", ") }),
    },
    notes: [
      ...(server === null ? [why] : []),
      ...(logins.length > 0 && !logins.includes("without a user") ? ["it lets nobody in without a user: add username and password"] : []),
      ...(isSinumerik ? [] : ["name the nodes to read under points"]),
      ...(modes[0] === "none" || modes.length === 0 ? [] : ["its certificate must be trusted: cellgate opcua trust"]),
    ],
  };
}
