"""The neutral prefix: two passages that say nothing about any request."""

#: Chunks that are built behind it are not the first thing that the model reads.
NEUTRAL_TEXT = """\
The harbour town lies on a bay that opens to the west. Its oldest street leads from the fish market to a hill with \
a lighthouse, which was built of grey stone and is still in use. Most families lived from fishing until the railway \
came; later a cannery and a small shipyard gave work to about four hundred people. The town hall, the library and \
the school stand around a square with lime trees, where a market is held every Wednesday and Saturday.

The heron is a wading bird of marshes, ponds and slow rivers. It stands still in shallow water and waits for fish, \
frogs and insects, which it takes with a quick thrust of its bill. Pairs build large nests of sticks in tall trees, \
often many in one wood, and both parents feed the young for about eight weeks. In hard winters the birds of the \
north move to coasts that stay free of ice and return when the rivers thaw.

"""
