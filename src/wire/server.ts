import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from "express";
import type { Driver } from "../driver/driver.ts";
import { explain, FairwayError, printable } from "../errors.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { Logger } from "../log.ts";
import { localAddressSpace } from "../model/pool.ts";
import { ipamMethods } from "./ipam-methods.ts";
import { type MethodTable, networkMethods, pluginMethods } from "./methods.ts";
import { failureReply, send } from "./reply.ts";
import { serve } from "./serve.ts";

export interface AppOptions {
  readonly driver: Driver;
  readonly ipam: Ipam;
  readonly logger: Logger;
  readonly deadlineMs?: number;
}

/** Below the 30 s after which an engine gives a managed plugin up. */
const defaultDeadlineMs = 10_000;

/** A network shows by the local one that its addresses are ours. */
const addressSpaces = {
  LocalDefaultAddressSpace: localAddressSpace,
  GlobalDefaultAddressSpace: `${localAddressSpace}-global`,
};

/** The plugin protocol as a request listener, apart from any socket. */
export function createApp({ driver, ipam, logger, deadlineMs = defaultDeadlineMs }: AppOptions): Express {
  const methods: MethodTable = new Map([
    ...pluginMethods(["NetworkDriver", "IpamDriver"]),
    ...networkMethods(driver),
    ...ipamMethods(ipam, addressSpaces),
  ]);
  const app = express();
  app.disable("x-powered-by");
  app.enable("case sensitive routing");
  app.enable("strict routing");
  app.set("query parser", false);
  for (const [path, method] of methods) {
    app.post(path, async (request, response) => {
      await serve(path, method, request, response, { logger, deadlineMs });
    });
    app.all(path, refuseVerb);
  }
  app.use((request: Request, response: Response) => {
    logger.info("unknown method", { path: printable(request.path.slice(0, 100)) });
    send(response, failureReply(unknownMethod(request.path)));
  });
  app.use(answerDefect(logger));
  return app;
}

export interface ServerOptions {
  /** A request that began to arrive has to be complete by then. */
  readonly requestTimeoutMs?: number;
  readonly checkEveryMs?: number;
  readonly maxConnections?: number;
}

/** An HTTP server that expects engines and survives others. */
export function createServer(app: RequestListener, options: ServerOptions = {}): Server {
  const { requestTimeoutMs = 10_000, checkEveryMs = 2000, maxConnections = 1024 } = options;
  const server = createHttpServer(
    {
      // Engines up to 20.10.25 send an empty Host header.
      requireHostHeader: false,
      maxHeaderSize: 16 * 1024,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: checkEveryMs,
      // A connection closed here while the engine writes makes it repeat the call without content (moby#39331).
      keepAliveTimeout: 0,
    },
    app,
  );
  server.maxConnections = maxConnections;
  server.on("clientError", closeUnlessSilent);
  // Each pipelined request listens for the end of its connection.
  server.on("connection", (socket: Socket) => socket.setMaxListeners(0));
  // Connections that were busy when the server was closed would otherwise be kept for a next request.
  server.on("request", (_request, response) => {
    response.once("close", () => server.listening || server.closeIdleConnections());
  });
  return server;
}

/**
 * Node times a new connection as if its first request had begun. Go's client keeps spare connections, so one that has
 * sent nothing yet stays open, for the same reason as an idle one.
 */
function closeUnlessSilent(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT" && socket.bytesRead === 0) {
    return;
  }
  socket.destroy();
}

/** Express would answer with a stack trace. Its error handlers are known by their four parameters. */
function answerDefect(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, _next) => {
    logger.error("request failed", { text: explain(error) });
    if (response.headersSent) {
      response.destroy();
    } else {
      send(response, { ...failureReply(error), closes: true });
    }
  };
}

function refuseVerb(request: Request, response: Response): void {
  response.setHeader("Allow", "POST");
  const error = new FairwayError({ code: "FW5001", what: `${request.method} is not how a plugin is called` });
  send(response, { ...failureReply(error), status: 405 });
}

function unknownMethod(path: string): FairwayError {
  return new FairwayError({
    code: "FW5007",
    what: `${JSON.stringify(path.slice(0, 100))} is not a method of this plugin`,
  });
}
