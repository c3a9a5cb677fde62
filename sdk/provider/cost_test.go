package provider

import "testing"

func TestCost(t *testing.T) {
	aws := Cost{SignIn: 1, List: 100, Read: 20}
	for _, tt := range []struct {
		c                              Cost
		entries, values, in, list, all int
	}{
		{aws, 1000, 1000, 1, 10, 61}, {aws, 1000, 0, 1, 10, 11}, {aws, 0, 0, 1, 1, 2}, {aws, 101, 21, 1, 2, 5}, {aws, 100, 20, 1, 1, 3},
		{Cost{SignIn: 1, List: 100}, 1000, 1000, 0, 0, 0}, {Cost{}, 10, 10, 0, 0, 0}, {Cost{SignIn: 1, List: -1, Read: 5}, 10, 10, 0, 0, 0},
	} {
		in, list, read := tt.c.Calls(tt.entries, tt.values)
		if in != tt.in || list != tt.list || in+list+read != tt.all {
			t.Errorf("%+v, %d entries, %d values: %d + %d + %d", tt.c, tt.entries, tt.values, in, list, read)
		}
	}
}
