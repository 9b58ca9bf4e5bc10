/** SQL that creates prisma/schema.prisma in an empty database. */
export declare function schemaSql(): Promise<string>;
