int toy_probe(void)
{
	return 0;
}
