import { startHost } from "../lab/host.ts";
import { openLan } from "../lab/lan.ts";
import { TEST_IMAGE } from "../lab/image.ts";
import { http, whoEventually, who } from "../lab/probe.ts";
const t0 = performance.now(); const say = (s: string) => console.log(((performance.now()-t0)/1000).toFixed(2), s);
const engine = (process.argv[2] ?? "20.10") as "20.10";
const lan = await openLan(); const client = await lan.client("client");
const host = await startHost({ engine, lan, images: ["test"] });
say("engine up");
try {
await host.startDriver(); say("driver up");
console.log(await host.exec(["sh","-c","iptables -S DOCKER-USER; iptables -S FORWARD | head -3; sysctl net.bridge.bridge-nf-call-iptables"]));
await host.docker("network","create","-d","fairway","n1"); say("n1");
await host.docker("network","create","-d","fairway","--ipv6","--subnet","10.90.0.0/24","--subnet","fd90::/64","n2"); say("n2");
if (process.argv[3]==="ipt") await host.exec(["sh","-c","iptables -I DOCKER-USER -m devgroup --src-group 0xfa17 -j ACCEPT; iptables -I DOCKER-USER -m devgroup --dst-group 0xfa17 -j ACCEPT"]);
await host.docker("run","-d","--name","web","--network","n2","-p","8080:80",TEST_IMAGE); say("web");
await host.docker("run","-d","--name","web1","--network","n1","-p","8081:80",TEST_IMAGE); say("web1");
console.log(await host.docker("exec","web","ip","addr")); 
console.log(await host.docker("exec","web","ip","route")); 
const [v4,v6] = [host.uplink!.ipv4!, host.uplink!.ipv6!] as any; console.log(host.uplink, client.ipv4, client.ipv6);
const strip = (s: string) => s.split("/")[0]!;
for (const [n,p,h,port] of [["client v4",client,strip(v4),8080],["client v6",client,strip(v6),8080],["client v4 web1",client,strip(v4),8081],["host lo",host,"127.0.0.1",8080],["host v4",host,strip(v4),8080],["host v6",host,strip(v6),8080],["host ::1",host,"::1",8080],["container direct from host",host,"10.90.0.2",80]] as any) {
  console.log(n, JSON.stringify(await http(p, `http://${h.includes(":")?`[${h}]`:h}:${port}/cgi-bin/who`, {timeoutMs:3000})));
}
const c = await host.container("web1"), c2 = await host.container("web");
for (const [n,p,h,port] of [["web1->host pub web",c,strip(v4),8080],["web1->self pub",c,strip(v4),8081],["web self v6",c2,strip(v6),8080],["web->web1 direct",c2,"172.18.0.2",80],["web1 -> client",c,strip(client.ipv4),9]] as any) {
  console.log(n, JSON.stringify(await http(p, `http://${h.includes(":")?`[${h}]`:h}:${port}/cgi-bin/who`, {timeoutMs:3000})));
}
say("probes");
await host.docker("rm","-f","web","web1"); say("rm"); await host.docker("network","rm","n1","n2"); say("net rm");
console.log(await host.exec(["sh","-c","sleep 0.3; ip -br link; nft list tables"]));
} catch (e) { console.log("ERROR", e); }
console.log(host.driverLog().split("\n").map(l=>l.slice(0,300)).join("\n"));
await host.stop(); await client.stop(); await lan.stop(); say("stopped"); process.exit(0);
