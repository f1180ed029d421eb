import { announcementSuite } from "./suite.ts";

announcementSuite("bird");
