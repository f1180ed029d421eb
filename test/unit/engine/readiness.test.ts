import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseEvent, readinessOf } from "../../../src/engine/readiness.ts";
import { endpointId } from "../../fakes/requests.ts";

const container = (health?: string, stopSignal?: string) => ({
  State: { Running: true, ...(health === undefined ? {} : { Health: { Status: health } }) },
  Config: stopSignal === undefined ? {} : { StopSignal: stopSignal },
  NetworkSettings: { Networks: { app: { EndpointID: endpointId(1) }, none: { EndpointID: "" } } },
});

describe("what an engine says", () => {
  test("of a container: ready when it runs and its check, if there is one, passes", () => {
    assert.deepEqual(readinessOf(container()), { endpoints: [endpointId(1)], isReady: true });
    assert.equal(readinessOf(container("healthy")).isReady, true);
    assert.equal(readinessOf(container("starting")).isReady, false);
    assert.equal(readinessOf({ ...container(), State: { Running: true, Paused: true } }).isReady, false);
  });

  test("of one that was asked to stop: not ready, whatever else it is sent afterwards", () => {
    assert.equal(readinessOf(container(), [15]).isReady, false);
    assert.equal(readinessOf(container(), [1]).isReady, true, "another signal");
    assert.equal(readinessOf(container(), [15, 1]).isReady, false);
    assert.equal(readinessOf(container("healthy", "SIGQUIT"), [3]).isReady, false);
    assert.equal(readinessOf(container("healthy", "3"), [15]).isReady, true);
    assert.equal(readinessOf(container("healthy", "3"), [9]).isReady, false);
  });

  test("in a line: which container takes part, and in what", () => {
    const line = (event: object): string => JSON.stringify(event);
    const kill = { Type: "container", Action: "kill", Actor: { ID: "c1", Attributes: { signal: "15" } } };
    assert.deepEqual(parseEvent(line(kill)), { containerId: "c1", action: "kill", signal: 15 });
    const connect = { Type: "network", Action: "connect", Actor: { ID: "n1", Attributes: { container: "c1" } } };
    assert.deepEqual(parseEvent(line(connect)), { containerId: "c1", action: "connect" });
    assert.equal(parseEvent(line({ ...connect, Action: "disconnect" })), undefined);
    assert.equal(parseEvent(line({ Type: "image", Action: "pull", Actor: { ID: "i1" } })), undefined);
    assert.equal(parseEvent("no json"), undefined);
  });
});
