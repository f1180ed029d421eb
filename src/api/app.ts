import express, { type Express } from "express";
import { type IpamPort, ipamRoutes } from "./ipam.ts";
import type { DaemonStatus } from "./status.ts";

/** The interface for people and their tools, on a socket of its own: the engine's socket stays the engine's. */
export function createApi(status: () => DaemonStatus, ipam?: IpamPort): Express {
  const app = express();
  app.disable("x-powered-by");
  app.get("/v1/status", (_request, response) => {
    response.json(status());
  });
  if (ipam !== undefined) {
    app.use("/v1/ipam", ipamRoutes(ipam));
  }
  app.use((_request, response) => {
    response.status(404).json({ error: "not found; this socket serves GET /v1/status and /v1/ipam" });
  });
  return app;
}
