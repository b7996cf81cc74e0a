/**
 * The library's TCP transport, mended: it tries again on a transport whose last attempt left its socket behind (a server
 * that answers a Hello with an error, or with rubbish), finds "already have a socket", and throws where nobody can catch it:
 * the process would end. Here what was left behind is closed first, and no socket's error is without a listener.
 */
import type { Library } from "./library.ts";

type Options = NonNullable<Parameters<Library["client"]["OPCUAClient"]["create"]>[0]>;

export function mendedTransport({ ClientTCP_transport }: Library["transport"]): NonNullable<Options["transportFactory"]> {
  class MendedTransport extends ClientTCP_transport {
    protected override _install_socket(socket: NonNullable<InstanceType<typeof ClientTCP_transport>["_socket"]>): void {
      socket.on("error", () => undefined);
      this._socket?.destroy();
      this._socket = null;
      super._install_socket(socket);
    }
  }
  return { create: (settings) => new MendedTransport(settings) };
}
