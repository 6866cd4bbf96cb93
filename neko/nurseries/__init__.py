"""Who owns whom and who cancels whom: connection, session, swap, turn, speech, and the façade over them."""
