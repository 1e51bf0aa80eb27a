// Judges AsyncAPI documents by AsyncAPI's own parser: node asyncapi.cjs DIRECTORY FILE, where DIRECTORY has the parser
// (deploy/local/asyncapi). Prints what the parser understood, as JSON; ends with 1 and every error if there is one.
const fs = require('fs');
const { createRequire } = require('module');
const need = createRequire(process.argv[2] + '/');
const { Parser } = need('@asyncapi/parser');
const { AvroSchemaParser } = need('@asyncapi/avro-schema-parser');
const { ProtoBuffSchemaParser } = need('@asyncapi/protobuf-schema-parser');

async function main() {
    const parser = new Parser();
    parser.registerSchemaParser(AvroSchemaParser());
    parser.registerSchemaParser(ProtoBuffSchemaParser());
    const { document, diagnostics } = await parser.parse(fs.readFileSync(process.argv[3], 'utf8'));
    const errors = diagnostics.filter((it) => it.severity === 0);
    if (errors.length > 0 || !document) {
        errors.forEach((it) => console.error(`${it.path.join('/')}: ${it.message}`));
        process.exit(1);
    }
    const messages = (it) => it.messages().all();
    const understood = {
        version: document.version(),
        title: document.info().title(),
        servers: document.servers().all().map((it) => [it.id(), it.host(), it.protocol()]),
        channels: document.channels().all().map((it) => ({
            address: it.address(),
            kafka: it.bindings().get('kafka')?.value(),
            messages: messages(it).map((message) => ({
                name: message.name(),
                contentType: message.contentType(),
                format: message.schemaFormat(),
                members: Object.keys(message.payload()?.properties() ?? {}),
                headers: Object.keys(message.headers()?.properties() ?? {}),
                kafka: message.bindings().get('kafka')?.value(),
            })),
        })),
        operations: document.operations().all().map((it) => ({
            id: it.id(), action: it.action(), messages: messages(it).map((message) => message.name()),
        })),
        hints: diagnostics.map((it) => `${it.path.join('/')}: ${it.message}`),
    };
    console.log(JSON.stringify(understood, null, 2));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
