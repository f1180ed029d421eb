import { type Response, Router } from "express";
import { explain, FairwayError } from "../errors.ts";
import { type IpAddress, parseIpAddress } from "../model/ip.ts";
import type { IpamCheck, IpamRelease, IpamReport } from "../model/ipam-report.ts";

export interface IpamPort {
  show(): Promise<IpamReport>;
  check(): Promise<IpamCheck>;
  releaseAddress(address: IpAddress): Promise<IpamRelease>;
  releaseHost(nameOrId: string, force: boolean): Promise<IpamRelease>;
}

/** An error that the command line shows as if it were its own. */
export interface RemoteError {
  readonly error: string;
  readonly code?: string;
  readonly why?: string;
  readonly fix?: string;
}

export function ipamRoutes(ipam: IpamPort): Router {
  const router = Router();
  router.get("/", async (_request, response) => await answer(response, () => ipam.show()));
  router.get("/check", async (_request, response) => await answer(response, () => ipam.check()));
  router.post("/release", async (request, response) => {
    const { address, host, force } = request.query;
    await answer(response, async () => {
      if (typeof address === "string") {
        return await ipam.releaseAddress(parseIpAddress(address));
      }
      if (typeof host === "string") {
        return await ipam.releaseHost(host, force === "true");
      }
      throw new FairwayError({ code: "FW5001", what: "release needs ?address= or ?host=" });
    });
  });
  return router;
}

async function answer(response: Response, work: () => Promise<object>): Promise<void> {
  try {
    response.json(await work());
  } catch (error) {
    const body: RemoteError =
      error instanceof FairwayError
        ? {
            error: error.message,
            code: error.code,
            ...(error.why === undefined ? {} : { why: error.why }),
            ...(error.fix === undefined ? {} : { fix: error.fix }),
          }
        : { error: explain(error) };
    response.status(error instanceof FairwayError ? 409 : 500).json(body);
  }
}
