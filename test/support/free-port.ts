/** Ports for peers that are not there. Apart from the brokers, whose packages a measured process must not load. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

/** Free when asked; nothing else on this machine takes fixed ports in the range the system gives out. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
