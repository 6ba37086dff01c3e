/* sockeye-load: a load tester for Socket.IO servers. */
#include <stdio.h>

int
main(void)
{
	fprintf(stderr, "sockeye-load: being written\n");
	return 1;
}
