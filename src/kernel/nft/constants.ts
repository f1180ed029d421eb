/** Numbers of the nf_tables netlink interface (include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h). */

const NFNL_SUBSYS_NFTABLES = 10;
export const NFNL_MSG_BATCH_BEGIN = 16;
export const NFNL_MSG_BATCH_END = 17;
/** The batch markers name their subsystem in the family header. */
export const BATCH_RESOURCE = NFNL_SUBSYS_NFTABLES;

/** Message types as they stand in the netlink header. */
export const nftMessage = {
  newTable: NFNL_SUBSYS_NFTABLES * 256,
  getTable: NFNL_SUBSYS_NFTABLES * 256 + 1,
  delTable: NFNL_SUBSYS_NFTABLES * 256 + 2,
  newChain: NFNL_SUBSYS_NFTABLES * 256 + 3,
  getChain: NFNL_SUBSYS_NFTABLES * 256 + 4,
  newRule: NFNL_SUBSYS_NFTABLES * 256 + 6,
  getRule: NFNL_SUBSYS_NFTABLES * 256 + 7,
  newSet: NFNL_SUBSYS_NFTABLES * 256 + 9,
  newElements: NFNL_SUBSYS_NFTABLES * 256 + 12,
  delElements: NFNL_SUBSYS_NFTABLES * 256 + 14,
} as const;

/** NFPROTO_*: the family of a table, and what "meta nfproto" holds. */
export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_BRIDGE = 7;
export const NFPROTO_IPV6 = 10;

export const ETH_P_IP = 0x0800;
export const ETH_P_IPV6 = 0x86dd;

export const NFTA_TABLE_NAME = 1;
export const NFTA_TABLE_USE = 3;
export const NFTA_TABLE_USERDATA = 6;

export const NFTA_CHAIN_TABLE = 1;
export const NFTA_CHAIN_NAME = 3;
export const NFTA_CHAIN_HOOK = 4;
export const NFTA_CHAIN_POLICY = 5;
export const NFTA_CHAIN_TYPE = 7;
export const NFTA_HOOK_HOOKNUM = 1;
export const NFTA_HOOK_PRIORITY = 2;

export const NFTA_RULE_TABLE = 1;
export const NFTA_RULE_CHAIN = 2;
export const NFTA_RULE_EXPRESSIONS = 4;
export const NFTA_LIST_ELEM = 1;
export const NFTA_EXPR_NAME = 1;
export const NFTA_EXPR_DATA = 2;

export const NFTA_SET_TABLE = 1;
export const NFTA_SET_NAME = 2;
export const NFTA_SET_FLAGS = 3;
export const NFTA_SET_KEY_TYPE = 4;
export const NFTA_SET_KEY_LEN = 5;
export const NFTA_SET_DATA_TYPE = 6;
export const NFTA_SET_DATA_LEN = 7;
export const NFTA_SET_DESC = 9;
export const NFTA_SET_ID = 10;
export const NFTA_SET_USERDATA = 13;
export const NFTA_SET_DESC_CONCAT = 2;
export const NFTA_SET_FIELD_LEN = 1;
export const NFT_SET_INTERVAL = 0x4;
export const NFT_SET_MAP = 0x8;
export const NFT_SET_CONCAT = 0x80;
export const NFT_DATA_VERDICT = 0xffffff00;

export const NFTA_SET_ELEM_LIST_TABLE = 1;
export const NFTA_SET_ELEM_LIST_SET = 2;
export const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
export const NFTA_SET_ELEM_KEY = 1;
export const NFTA_SET_ELEM_DATA = 2;
export const NFTA_SET_ELEM_KEY_END = 10;

export const NFTA_DATA_VALUE = 1;
export const NFTA_DATA_VERDICT = 2;
export const NFTA_VERDICT_CODE = 1;
export const NFTA_VERDICT_CHAIN = 2;
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NFT_JUMP = -3;
export const NFT_GOTO = -4;
export const NFT_RETURN = -5;
/** NFT_REG_VERDICT: a verdict that is put here takes effect. */
export const VERDICT_REGISTER = 0;

/** Largest key or register file: 16 registers of 4 bytes (NFT_REG32_COUNT). */
export const MAX_KEY_BYTES = 64;
/** Longest name of a table, chain or set, in bytes without the terminating NUL (NFT_NAME_MAXLEN - 1). */
export const MAX_NAME_BYTES = 255;
