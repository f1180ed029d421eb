import { announcementSuite } from "./suite.ts";

announcementSuite("frr");
