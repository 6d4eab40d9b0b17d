/** What the page uses of linkify-it, which brings no types. */
declare module "linkify-it" {
  interface Match {
    schema: string;
    index: number;
    lastIndex: number;
    text: string;
    url: string;
  }
  export default class LinkifyIt {
    /** The top-level domains of links without a scheme; `keepOld` keeps those of two letters. */
    tlds(list: string[], keepOld: boolean): this;
    add(schema: string, definition: null): this;
    match(text: string): Match[] | null;
  }
}
