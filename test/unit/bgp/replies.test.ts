import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isWholeBirdReply, parseBirdReply } from "../../../src/bgp/bird-reply.ts";
import { parseBirdSessions } from "../../../src/bgp/bird-sessions.ts";
import { frrDelta } from "../../../src/bgp/frr-delta.ts";
import { markedPrefixes, parseFrrSessions } from "../../../src/bgp/frr-sessions.ts";
import { renderFrr } from "../../../src/bgp/frr-text.ts";
import { vtyshRefusal } from "../../../src/bgp/vtysh-output.ts";
import { planOf } from "./plans.ts";

/** As BIRD 2.0.12 sent it. */
const protocols = `2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     07:13:59.759  
1006-
1002-tor        BGP        ---        up     07:14:00.774  Established   
1006-  BGP state:          Established
         Neighbor address: 10.99.0.1
         Neighbor AS:      65000
       Channel ipv4
         Routes:         2 imported, 1 filtered, 5 exported, 2 preferred
       Channel ipv6
         Routes:         1 imported, 4 exported, 1 preferred
     
1002-gone       BGP        ---        down   2026-11-20    
1006-  Message:        drained by fairway
       BGP state:          Down
         Neighbor address: fd99::1
         Neighbor AS:      65001
     
1002-late       BGP        ---        start  07:13:59.759  Active        Socket: Connection closed
1006-  BGP state:          Active
         Neighbor address: 10.99.0.2
         Neighbor AS:      65002
0000 
`;

describe("answers of BIRD", () => {
  test("sessions with their state and the routes of all channels", () => {
    const nowMs = new Date(2026, 10, 26, 7, 14, 30).getTime();
    const { code, lines } = parseBirdReply(protocols);
    assert.equal(code, 0);
    assert.deepEqual(parseBirdSessions(lines, nowMs), [
      {
        name: "tor",
        neighbor: "10.99.0.1",
        remoteAs: 65000,
        state: "established",
        detail: "",
        upSeconds: 30,
        announced: 9,
        received: 3,
      },
      {
        name: "gone",
        neighbor: "fd99::1",
        remoteAs: 65001,
        state: "drained",
        detail: "drained by fairway",
        announced: 0,
        received: 0,
      },
      {
        name: "late",
        neighbor: "10.99.0.2",
        remoteAs: 65002,
        state: "connecting",
        detail: "Active        Socket: Connection closed",
        announced: 0,
        received: 0,
      },
    ]);
  });

  test("a session that began before midnight, or in an unknown format", () => {
    const sinceOf = (since: string, nowMs: number): number | undefined => {
      const lines = [`tor        BGP        ---        up     ${since}  Established`, "  BGP state:  Established"];
      return parseBirdSessions(lines, nowMs)[0]?.upSeconds;
    };
    assert.equal(sinceOf("23:59:50.000", new Date(2026, 10, 26, 0, 0, 10).getTime()), 20);
    assert.equal(sinceOf("2026-11-25", new Date(2026, 10, 26, 0, 0, 10).getTime()) !== undefined, true);
    assert.equal(sinceOf("26.11.2026", new Date(2026, 10, 26, 0, 0, 10).getTime()), undefined);
  });

  test("end with a line of code and blank, and with nothing else", () => {
    for (const [text, whole] of [
      ["0001 BIRD 2.0.12 ready.\n", true],
      ["1007-Table master4:\n", false],
      ["1007-Table master4:\n 0014 x\n", false],
      ["1007-Table master4:\n0000 \n", true],
      ["0000 ", false],
      ["", false],
    ] as const) {
      assert.equal(isWholeBirdReply(Buffer.from(text)), whole, text);
    }
  });

  test("anything else is not understood", () => {
    for (const text of ["SSH-2.0-OpenSSH\n", "HTTP/1.1 400 Bad\r\n", "\n", "0000 ok\nrubbish\n"]) {
      assert.throws(() => parseBirdReply(text), { code: "FW4103" });
    }
  });
});

describe("answers of FRR", () => {
  test("a session that carries both families counts once", () => {
    const peer = { remoteAs: 65000, state: "Established", peerUptimeMsec: 61_500, pfxRcd: 1, pfxSnt: 2, desc: "tor" };
    const summary = {
      ipv4Unicast: { as: 65011, peers: { "10.99.0.1": peer } },
      ipv6Unicast: {
        as: 65011,
        peers: { "10.99.0.1": peer, "fd99::1": { remoteAs: 65001, state: "Idle (Admin)", peerState: "Admin" } },
      },
    };
    const [tor, other] = parseFrrSessions(summary);
    assert.deepEqual(tor, {
      name: "tor",
      neighbor: "10.99.0.1",
      remoteAs: 65000,
      state: "established",
      detail: "",
      upSeconds: 61,
      announced: 4,
      received: 2,
      families: ["ipv4Unicast", "ipv6Unicast"],
      localAs: 65011,
    });
    assert.deepEqual([other?.name, other?.state, other?.detail], ["fd99::1", "drained", "Idle (Admin)"]);
    assert.deepEqual(parseFrrSessions({}), []);
    assert.throws(() => parseFrrSessions({ ipv4Unicast: { peers: [] } }), TypeError);
  });

  test("only kernel routes with our metric are ours", () => {
    const routes = {
      "10.244.0.1/32": [{ metric: 9900 }],
      "10.244.0.2/32": [{ metric: 9910 }],
      "10.244.0.3/32": [{ metric: 0 }, { metric: 9900 }],
    };
    assert.deepEqual(markedPrefixes(routes), ["10.244.0.1/32", "10.244.0.3/32"]);
  });
});

describe("what vtysh prints", () => {
  const again = [
    "Graceful restart configuration changed, reset all peers to take effect",
    "% The Graceful Restart command used is not valid at this moment.",
    "line 85: Failure to communicate[13] to bgpd, line:  neighbor fe80::1 graceful-restart-disable",
  ].join("\n");

  test("words without a complaint are no refusal, a line that is in effect already is none", () => {
    assert.equal(vtyshRefusal({ said: "Graceful restart configuration changed", failure: undefined }), undefined);
    assert.equal(vtyshRefusal({ said: again, failure: "exit 13" }), undefined);
  });

  test("a complaint is one whatever the exit code says, and an exit code without words, too", () => {
    const said = `${again}\n% BGP is already running; AS is 65011\nline 9: Failure, line: neighbor A password s3cret`;
    const refusal = "% BGP is already running; AS is 65011\nline 9: Failure, line: neighbor A password …";
    assert.equal(vtyshRefusal({ said, failure: undefined }), refusal);
    assert.equal(vtyshRefusal({ said: "", failure: "spawn vtysh ENOENT" }), "spawn vtysh ENOENT");
  });
});

describe("what is typed to have another text", () => {
  const peers = [{ name: "tor", address: "10.99.0.1", as: 65000 }];
  const withPeer = renderFrr(planOf({ daemon: "frr", localAs: 65011, peers }));
  const without = renderFrr(planOf({ daemon: "frr", localAs: 65011 }));

  test("the same text takes nothing back", () => {
    assert.equal(frrDelta(withPeer, withPeer), withPeer);
    assert.equal(frrDelta("", withPeer), withPeer);
  });

  test("what is gone is taken back last line first, inside of its block", () => {
    const lines = frrDelta(withPeer, without).split("\n");
    const at = (line: string): number => lines.indexOf(line);
    assert.ok(at("no neighbor 10.99.0.1 route-map FAIRWAY-OUT-tor out") >= 0);
    assert.ok(at("no neighbor 10.99.0.1 route-map FAIRWAY-OUT-tor out") < at("no neighbor 10.99.0.1 remote-as 65000"));
    assert.ok(at("no neighbor 10.99.0.1 remote-as 65000") < at("no route-map FAIRWAY-OUT-tor permit 10"));
    assert.equal(lines[at("no neighbor 10.99.0.1 remote-as 65000") - 1], "router bgp 65011");
    assert.equal(at("no set metric 0"), -1);
  });

  test("an instance of BGP is never removed: it may have lines of others", () => {
    for (const after of ["", renderFrr(planOf({ daemon: "frr" }))]) {
      assert.doesNotMatch(frrDelta(withPeer, after), /no router bgp|no address-family/);
    }
  });
});
